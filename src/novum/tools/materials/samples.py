"""Crystals whose values are known, as POSCAR text: what tools declare as their examples."""

ALUMINIDE = """NiAl, a = 2.887 angstrom
1.0
2.887 0 0
0 2.887 0
0 0 2.887
Al Ni
1 1
direct
0 0 0
0.5 0.5 0.5
"""

COPPER = """Cu, a = 3.615 angstrom
1.0
0 1.8075 1.8075
1.8075 0 1.8075
1.8075 1.8075 0
Cu
1
direct
0 0 0
"""

SILICON = """Si, a = 5.431 angstrom
1.0
0 2.7155 2.7155
2.7155 0 2.7155
2.7155 2.7155 0
Si
2
direct
0 0 0
0.25 0.25 0.25
"""
