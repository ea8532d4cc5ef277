"""Conversion constants inside the calculations, so that a sandbox needs no unit registry.

References:
    CODATA 2018 (NIST SP 961).
"""

BOHR_ANGSTROM = 0.529177210903
HARTREE_EV = 27.211386245988
HARTREE_KCAL = 627.5094740631
"""kcal/mol in one hartree."""
ATOMIC_DEBYE = 2.541746473
"""Debye in one elementary charge times bohr."""
ATOMIC_WAVENUMBER = 5140.4871
"""1/cm in sqrt(hartree / (bohr² dalton))."""
WAVENUMBER_KCAL = 2.859144e-3
"""kcal/mol in one 1/cm."""
