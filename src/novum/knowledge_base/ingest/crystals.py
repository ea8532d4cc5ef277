"""Atomic structures: CIF and POSCAR by pymatgen, extxyz by ASE."""

import io
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from novum.core.digest import digest
from novum.core.errors import IngestError
from novum.core.knowledge import DataClass
from novum.core.quantity import Quantity
from novum.knowledge_base.ingest.arrays import store_array
from novum.knowledge_base.ingest.cells import parse_number
from novum.knowledge_base.ingest.draft import Draft, Task
from novum.knowledge_base.ingest.instructions import flags_of
from novum.knowledge_base.ingest.parsing import parsing

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

MAX_INLINE_SITES = 200
"""Sites up to which a structure stands in the item itself; a larger one goes to `keep`."""

MAX_FRAMES = 10_000
MAX_CIF_CHARS = 5_000_000
SYMMETRY_TOLERANCE_ANGSTROM = 0.01

_TEMPERATURES = ("_diffrn_ambient_temperature", "_cell_measurement_temperature")
_OPERATIONS = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")
_ALIKE_ANGSTROM = 2
"""Decimals to which lengths are the same for the id of a structure."""


def read_cif(task: Task) -> Iterator[Draft]:
    """Yield a draft for each structure of a CIF; the temperature at which it was found is a condition.

    Raises:
        IngestError: it is no text, or no block holds a structure.
    """
    text = task.source.text(task.bounds, task.about.encoding)
    if len(text) > MAX_CIF_CHARS:
        raise IngestError(f"it has {len(text)} characters; at most {MAX_CIF_CHARS} of a CIF are read")
    # pymatgen takes time with the square of a run of empty lines.
    text = "\n".join(line for line in text.splitlines() if line.strip())
    reasons: list[IngestError] = []
    n_taken = 0
    for number, block in enumerate(re.split(r"^(?=data_)", text, flags=re.MULTILINE | re.IGNORECASE)):
        if not re.search(r"^\s*_atom_site_(?:fract|cartn)_x", block, re.MULTILINE | re.IGNORECASE):
            continue
        place = f"block {number}"
        try:
            structures, conditions = _parse_cif(task, block, place)
        except IngestError as error:
            reasons.append(error)
            task.note(f"left out: {error}", place=place)
            continue
        for structure in structures:
            n_taken += 1
            yield _crystal(task, structure, {"block": number}, conditions, comment=block[:80].split()[0])
    if not n_taken:
        raise reasons[0] if reasons else IngestError("no block of it holds atoms")


def read_poscar(task: Task) -> Iterator[Draft]:
    """Yield a draft for the structure of a POSCAR.

    Raises:
        IngestError: it is no text, or no POSCAR.
    """
    from pymatgen.io.vasp.inputs import Poscar

    text = task.source.text(task.bounds, task.about.encoding)
    lines = text.splitlines()
    for line in lines[5:7]:  # the numbers of atoms, with or without the symbols before
        if line.split() and all(word.isdigit() for word in line.split()):
            _check_sites(sum(int(word[:12]) for word in line.split()), task)
    with parsing("POSCAR") as said:
        found = Poscar.from_str(text, read_velocities=False)
    for message in said.warnings:
        task.note(message)
    yield _crystal(task, found.structure, {}, {}, comment=lines[0].strip())


def read_extxyz(task: Task) -> Iterator[Draft]:
    """Yield a draft for the structure of each frame, and for its energy and forces where it has them.

    They are in eV and eV/Å, as ASE reads and writes them. What else a frame says has no unit.

    Raises:
        IngestError: it is no text, no extxyz, or has too many frames.
    """
    from ase.io import iread

    text = task.source.text(task.bounds, task.about.encoding)
    head = text.split("\n", 1)[0].strip()
    if not head.isdigit():
        raise IngestError("its first line is no number of atoms")
    _check_sites(int(head[:12]), task)
    frames = iread(io.StringIO(text), index=":", format="extxyz")
    number = 0
    while True:
        with parsing("extxyz"):
            frame = next(frames, None)
        if frame is None:
            return
        number += 1
        if number > MAX_FRAMES:
            raise IngestError(f"it has more than {MAX_FRAMES} frames")
        yield from _frame(task, frame, number)


def _parse_cif(task: Task, block: str, place: str) -> "tuple[list[Structure], dict[str, Any]]":
    from pymatgen.io.cif import CifFile, CifParser

    with parsing("CIF") as said:
        data = next(iter(CifFile.from_str(block).data.values())).data
        columns = [v for k, v in data.items() if k.startswith("_atom_site_") and isinstance(v, list)]
        n_operations = max((len(data[k]) for k in _OPERATIONS if isinstance(data.get(k), list)), default=1)
        _check_sites(max(map(len, columns), default=1), task)
        if n_operations > 192:
            raise IngestError(f"it has {n_operations} symmetry operations; no space group has more than 192")
        structures = CifParser.from_str(block).parse_structures(primitive=False, on_error="raise")
    for message in said.warnings:
        task.note(message, place=place)
    temperatures = (parse_number(str(data.get(key, ""))) for key in _TEMPERATURES)
    kelvin = next((t.value for t in temperatures if t is not None), None)
    return structures, {} if kelvin is None else {"temperature [K]": kelvin}


def _check_sites(n: int, task: Task) -> None:
    if n > task.bounds.max_sites:
        raise IngestError(f"it has {n} sites; at most {task.bounds.max_sites} are taken")


def _crystal(
    task: Task, structure: "Structure", locator: dict[str, Any], conditions: dict[str, Any], *, comment: str
) -> Draft:
    with parsing("structure"):
        _check_sites(len(structure), task)
        formula = structure.composition.reduced_formula
        symbol, group = _space_group(structure)
        lattice = structure.lattice
        arguments = {
            "formula": formula,
            "composition": {k: float(v) for k, v in structure.composition.get_el_amt_dict().items()},
            **_written(task, structure),
        }
        cell = f"a = {lattice.a:.4g}, b = {lattice.b:.4g}, c = {lattice.c:.4g} Å"
    symmetry = f", space group {symbol} ({group})" if group else ""
    return Draft(
        data_class=DataClass.SYMBOLIC,
        subject=_structure_id(formula, structure),
        label=f"{formula} ({symbol})" if symbol else formula,
        relation="structure",
        object=f"space group {group}" if group else "",
        text=f"{formula}: crystal structure{symmetry}, {len(structure)} sites, {cell}.",
        conditions=conditions,
        arguments=arguments,
        locator=locator,
        flags=flags_of(comment),
    )


def _space_group(structure: "Structure") -> tuple[str, int]:
    """Return symbol and number of the space group; ``("", 0)`` where it cannot be found."""
    if not structure.is_ordered:
        return "", 0
    try:
        symbol, number = structure.get_space_group_info(symprec=SYMMETRY_TOLERANCE_ANGSTROM)
    except (ValueError, TypeError, AttributeError):  # spglib found none
        return "", 0
    return str(symbol), int(number)


def _written(task: Task, structure: "Structure") -> dict[str, Any]:
    """Return a structure as pymatgen writes it: inline where it is small, else kept as JSON."""
    written = json.loads(structure.to_json())
    if len(structure) <= MAX_INLINE_SITES:
        return {"structure": written}
    return {"structure_file": task.store(json.dumps(written).encode(), "structure.json", "application/json")}


def _structure_id(formula: str, structure: "Structure") -> str:
    """Return an id that does not depend on the file: of cell and sites, to a hundredth of an ångström."""
    cell = [round(float(x), _ALIKE_ANGSTROM) + 0.0 for x in structure.lattice.parameters]
    sites = sorted(
        [site.species_string, *(round(float(x) % 1.0, _ALIKE_ANGSTROM) % 1.0 + 0.0 for x in site.frac_coords)]
        for site in structure
    )
    return f"crystal:{formula}:{digest([cell, sites])[:24]}"


def _frame(task: Task, frame: "Atoms", number: int) -> Iterator[Draft]:
    from pymatgen.io.ase import AseAtomsAdaptor

    locator = {"frame": number}
    with parsing("extxyz"):
        _check_sites(len(frame), task)
        if len(frame) == 0:
            raise IngestError(f"frame {number} has no atoms")
        periodic = bool(frame.pbc.any())
        results = {} if frame.calc is None else dict(frame.calc.results)
        bare = frame.copy()
        bare.calc, bare.info = None, {}
        structure = AseAtomsAdaptor.get_structure(bare) if periodic else None
        formula = frame.get_chemical_formula(mode="hill")
    if structure is not None:
        draft = _crystal(task, structure, locator, {}, comment="")
    else:
        atoms = {"symbols": frame.get_chemical_symbols(), "positions": frame.positions.tolist()}
        rounded = [[s, *(round(x, 3) + 0.0 for x in p)] for s, p in zip(*atoms.values(), strict=True)]
        draft = Draft(
            data_class=DataClass.SYMBOLIC,
            subject=f"atoms:{formula}:{digest(rounded)[:24]}",
            label=formula,
            relation="structure",
            text=f"{formula}: {len(frame)} atoms in space.",
            arguments={"formula": formula, "atoms": atoms},
            locator=locator,
        )
    yield draft
    energy = results.get("energy")
    if isinstance(energy, int | float) and math.isfinite(energy):
        value = Quantity(value=float(energy), unit="eV")
        said = f"{draft.label}: energy = {value}."
        yield replace(draft, relation="energy", object="", value=value, text=said)
    forces = results.get("forces")
    if forces is not None:
        array = store_array(task, forces, axes=("atom", "direction"), unit="eV/angstrom", name="forces")
        yield replace(
            draft,
            relation="forces",
            object="",
            text=f"{draft.label}: forces on {len(frame)} atoms.",
            arguments={**draft.arguments, "array": array},
        )
