"""Drawings of molecules as inline SVG, in colours that follow the page's light or dark scheme."""

import re
from typing import Any

MAX_SMILES = 500
"""Characters of a SMILES that is drawn; a longer one would not be legible, and could take minutes."""

_ATOM_COLOURS = {
    7: "--atom-n",
    8: "--atom-o",
    9: "--atom-hal",
    15: "--atom-p",
    16: "--atom-s",
    17: "--atom-hal",
    35: "--atom-hal",
    53: "--atom-hal",
}


def draw_molecule(smiles: str, *, width: int = 220, height: int = 150) -> str | None:
    """Return an SVG element that shows a molecule, or None where the text cannot be drawn."""
    from rdkit import Chem, rdBase
    from rdkit.Chem.Draw import rdMolDraw2D

    if not 0 < len(smiles) <= MAX_SMILES:
        return None
    # A SMILES that cannot be read is shown as text; RDKit's own complaint on stderr helps nobody.
    with rdBase.BlockLogs():
        try:
            molecule = Chem.MolFromSmiles(smiles)
            if molecule is None or molecule.GetNumAtoms() == 0:
                return None
            drawer = rdMolDraw2D.MolDraw2DSVG(width, height)
            options: Any = drawer.drawOptions()
            options.clearBackground = False
            options.padding = 0.06
            options.bondLineWidth = 1.5
            options.maxFontSize = 16
            options.setAtomPalette(
                {-1: _sentinel(0), 0: _sentinel(0)} | {n: _sentinel(n) for n in _ATOM_COLOURS}
            )
            rdMolDraw2D.PrepareAndDrawMolecule(drawer, molecule)
            drawer.FinishDrawing()
            svg = drawer.GetDrawingText()
        except (ValueError, RuntimeError):
            return None
    return _inline(svg, width, height)


def _sentinel(atomic_number: int) -> tuple[float, float, float]:
    """Return a nearly black colour that stands for an element until the page's own is put in."""
    return (1 / 255, 1 / 255, (atomic_number + 1) / 255)


def _inline(svg: str, width: int, height: int) -> str:
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<!--.*?-->\s*", "", body, flags=re.DOTALL)
    body = re.sub(r"<svg\b[^>]*>", "", body, count=1)
    for n, name in _ATOM_COLOURS.items():
        body = body.replace(f"#0101{n + 1:02X}", f"var({name}, currentColor)")
    body = body.replace("#010101", "currentColor").replace("#000000", "currentColor")
    # Classes name atoms and bonds for scripts; the page has none.
    body = re.sub(r"\sclass='[^']*'", "", body)
    opening = (
        f'<svg class="molecule" viewBox="0 0 {width} {height}" role="img" aria-label="structure" '
        f'xmlns="http://www.w3.org/2000/svg">'
    )
    return opening + body.strip()
