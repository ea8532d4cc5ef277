"""Crystals whose values are known, as POSCAR and CIF text: what tools declare as their examples."""

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

MIXED = """data_mixed
_cell_length_a 4.2
_cell_length_b 4.2
_cell_length_c 4.2
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
_symmetry_Int_Tables_number 225
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Li1 Li 0 0 0 0.5
Fe1 Fe 0 0 0 0.5
O1 O 0.5 0.5 0.5 1
"""
