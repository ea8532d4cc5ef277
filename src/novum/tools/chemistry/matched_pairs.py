"""chemistry.matched_pairs: what one exchange of groups does to a property, over a table of molecules."""

import statistics
from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.base import Properties, tool
from novum.tools.chemistry.molecules import Smiles, parse_smiles
from novum.tools.examples import Example

if TYPE_CHECKING:
    from rdkit.Chem import Mol

MOST_LISTED = 200
"""Exchanges and pairs that the details list."""

EXAMPLES = (
    Example(
        arguments={
            "molecules": ["c1ccccc1", "Cc1ccccc1", "Fc1ccccc1", "Cc1ccncc1", "Fc1ccncc1"],
            "values": [1.0, 2.0, 4.0, 2.5, 4.5],
        },
        expected={"pairs": 4, "exchanges": 3, "largest_effect": 3.0},
        source="by hand: H/CH3, H/F on benzene; CH3/F on benzene and on pyridine",
    ),
)


class MatchedPairs(Properties):
    """What was found in a table of molecules."""

    pairs: Annotated[int, Field(description="pairs of molecules that differ in one group", ge=0)]
    exchanges: Annotated[int, Field(description="different exchanges among the pairs", ge=0)]
    largest_effect: Annotated[
        float | None,
        Field(
            description="largest mean change of the value by one exchange, by size; absent without values",
            ge=0,
        ),
    ] = None


@tool(
    name="chemistry.matched_pairs",
    version="1",
    method="matched molecular pairs",
    profile="chemistry",
    preload=("rdkit.Chem.rdMMPA",),
    libraries=("rdkit",),
    nominal_cost_s=0.1,
    timeout_s=300,
    memory_mb=1024,
    examples=EXAMPLES,
)
def matched_pairs(
    molecules: Annotated[
        list[Smiles], Field(min_length=2, max_length=2000, examples=[["Cc1ccccc1", "Oc1ccccc1"]])
    ],
    *,
    values: Annotated[list[float], Field(max_length=2000)] = [],  # noqa: B006 - read only
    max_group: Annotated[int, Field(ge=1, le=30)] = 8,
) -> MatchedPairs:
    """Find the molecules of a table that differ in one group, and what each exchange changes on average.

    One acyclic single bond is cut; two molecules pair where the larger part is the same. Hydrogen counts as a
    group. Values are taken as they are, in one unit that is the caller's; a mean change comes with its
    standard error where two or more pairs show it. Cores differ: a mean over few says little of others.

    Args:
        molecules: the table, two to two thousand.
        values: one number for each molecule, in its order; or none.
        max_group: heavy atoms of the largest group that is exchanged.

    References:
        doi:10.1021/ci900450m. RDKit rdMMPA.
    """
    if values and len(values) != len(molecules):
        raise ToolFailedError(f"{len(values)} values do not fit {len(molecules)} molecules")
    from rdkit import Chem

    parsed = [parse_smiles(smiles) for smiles in molecules]
    names = [Chem.MolToSmiles(molecule) for molecule in parsed]
    by_core: dict[str, dict[int, str]] = defaultdict(dict)
    for number, molecule in enumerate(parsed):
        for core, group in _cuts(molecule, max_group):
            known = by_core[core].get(number)
            by_core[core][number] = min(known, group) if known else group
    found: dict[tuple[int, int], tuple[str, str, str]] = {}
    for core in sorted(
        by_core, key=lambda core: (-len(core), core)
    ):  # the largest common core names the pair
        for i, j in combinations(sorted(by_core[core]), 2):
            groups = by_core[core][i], by_core[core][j]
            if groups[0] != groups[1] and names[i] != names[j]:
                found.setdefault((i, j), (core, *groups))
    changes: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for (i, j), (core, one, other) in sorted(found.items()):
        a, b = (i, j) if one < other else (j, i)
        entry: dict[str, Any] = {"from": molecules[a], "to": molecules[b], "core": core}
        if values:
            entry["change"] = values[b] - values[a]
        changes[min(one, other), max(one, other)].append(entry)
    exchanges = [_summary(groups, entries) for groups, entries in changes.items()]
    exchanges.sort(key=lambda one: (-one["n"], one["from"], one["to"]))
    return MatchedPairs(
        pairs=len(found),
        exchanges=len(exchanges),
        largest_effect=max((abs(e["mean_change"]) for e in exchanges), default=None) if values else None,
        details={
            "exchanges": exchanges[:MOST_LISTED],
            "pairs": [e for c in changes.values() for e in c][:MOST_LISTED],
        },
    )


def _cuts(molecule: "Mol", most: int) -> list[tuple[str, str]]:
    """Return (core, group) for every way to take one group off; also hydrogen off every atom that has one."""
    from rdkit import Chem
    from rdkit.Chem import rdMMPA

    found = []
    for _, both in rdMMPA.FragmentMol(molecule, minCuts=1, maxCuts=1, maxCutBonds=1000, resultsAsMols=False):
        one, other = both.split(".")
        for core, group in ((one, other), (other, one)):
            size = Chem.MolFromSmiles(group).GetNumHeavyAtoms()  # the placeholder is no heavy atom
            if size <= most and size <= Chem.MolFromSmiles(core).GetNumHeavyAtoms():
                found.append((core, group))
    for atom in molecule.GetAtoms():
        if atom.GetTotalNumHs():
            grown = Chem.RWMol(molecule)
            place = grown.AddAtom(Chem.Atom(0))
            grown.GetAtomWithIdx(place).SetAtomMapNum(1)
            changed = grown.GetAtomWithIdx(atom.GetIdx())
            if changed.GetNoImplicit():
                changed.SetNumExplicitHs(changed.GetNumExplicitHs() - 1)
            grown.AddBond(atom.GetIdx(), place, Chem.BondType.SINGLE)
            Chem.SanitizeMol(grown)
            found.append((Chem.MolToSmiles(grown), "[H][*:1]"))
    return found


def _summary(groups: tuple[str, str], entries: list[dict[str, Any]]) -> dict[str, Any]:
    summary: dict[str, Any] = {"from": groups[0], "to": groups[1], "n": len(entries)}
    if "change" in entries[0]:
        changes = [entry["change"] for entry in entries]
        summary["mean_change"] = statistics.fmean(changes)
        if len(changes) > 1:
            summary["standard_error"] = statistics.stdev(changes) / len(changes) ** 0.5
    return summary
