"""chemistry.predict_conditions: conditions of the most similar reactions that are known, or none."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from novum.core.errors import ToolFailedError
from novum.tools.base import Properties, Unit, Usual, tool
from novum.tools.chemistry.retrosynthesis import reaction_class, split_reaction
from novum.tools.examples import Example

LEAST_SIMILAR = 0.3
"""Below this similarity of the nearest known reaction nothing is predicted."""

SIZE = 2048
"""Places of the fingerprint."""

SAME_CLASS = 1.25
"""What a vote of the same reaction class counts, against one of another or of no known class."""


class KnownReaction(BaseModel):
    """A reaction that was run, with its conditions and what came of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    reaction: str = Field(min_length=3, max_length=4000)
    """Reaction SMILES, ``reactants>>products``."""
    conditions: dict[str, str] = Field(min_length=1, max_length=20)
    """Catalyst, ligand, base, solvent and the like, by name."""
    yield_percent: float | None = Field(default=None, ge=0, le=100)
    source: str = ""
    """Where it is known from."""


_ESTER = "CCO.O=C(O)c1ccccc1>>CCOC(=O)c1ccccc1"

EXAMPLES = (
    Example(
        arguments={
            "reaction": "CCO.O=C(O)c1ccc(C)cc1>>CCOC(=O)c1ccc(C)cc1",
            "known": [
                {"reaction": _ESTER, "conditions": {"catalyst": "H2SO4"}, "yield_percent": 90},
                {
                    "reaction": "Brc1ccccc1.OB(O)c1ccccc1>>c1ccc(-c2ccccc2)cc1",
                    "conditions": {"catalyst": "Pd(PPh3)4"},
                    "yield_percent": 90,
                },
            ],
        },
        expected={"predicted": 1, "probability": 1.0},
        source="by hand: the only similar reaction is an esterification",
    ),
    Example(
        arguments={
            "reaction": "Brc1ccccc1.OB(O)c1ccccc1>>c1ccc(-c2ccccc2)cc1",
            "known": [{"reaction": _ESTER, "conditions": {"catalyst": "H2SO4"}}],
        },
        expected={"predicted": 0},
        source="by hand: no known reaction is similar",
    ),
)


class Prediction(Properties):
    """What the most similar reactions say."""

    predicted: Annotated[
        int, Field(description="1 where known reactions are similar enough, 0 where it abstains", ge=0, le=1)
    ]
    similarity: Annotated[
        float, Usual(0, 1), Field(description="similarity of the nearest known reaction", ge=0, le=1)
    ]
    probability: Annotated[
        float | None,
        Usual(0.1, 1),
        Field(description="share of the votes for the first conditions; absent if it abstains", ge=0, le=1),
    ] = None
    expected_yield: Annotated[
        float | None,
        Unit("percent"),
        Usual(0, 100),
        Field(description="mean yield of the neighbours with those conditions, if known", ge=0, le=100),
    ] = None


@tool(
    name="chemistry.predict_conditions",
    version="1",
    method="nearest reactions",
    profile="chemistry",
    preload=("rdkit.Chem.rdFingerprintGenerator", "rdkit.Chem.rdChemReactions"),
    libraries=("rdkit", "numpy"),
    nominal_cost_s=1.0,
    timeout_s=300,
    memory_mb=1024,
    examples=EXAMPLES,
)
def predict_conditions(
    reaction: Annotated[str, Field(min_length=3, max_length=4000)],
    *,
    known: Annotated[list[KnownReaction], Field(min_length=1, max_length=20_000)],
    neighbours: Annotated[int, Field(ge=1, le=100)] = 10,
) -> Prediction:
    """Propose conditions for a reaction from the most similar ones of a table, or abstain.

    Similarity is that of what changes: the Morgan fingerprint of the products less that of the reactants.
    Each of the nearest reactions votes for its conditions with its similarity, times its yield where that is
    known, and somewhat more where it is of the same class. Below a similarity of 0.3 nothing is proposed.
    The probability is a share of votes, not calibrated; a table without failures cannot say what fails.

    Args:
        reaction: reaction SMILES, `reactants>>products`; only the first product is classed.
        known: reactions that were run, each with `reaction`, `conditions` (name to text), and if known
            `yield_percent` and `source`.
        neighbours: how many of the nearest vote.

    References:
        Difference fingerprints: doi:10.1021/ci5006614. Morgan: doi:10.1021/ci100050t.
    """
    wanted = difference(reaction)
    if not wanted.any():
        raise ToolFailedError(f"nothing changes in {reaction!r}")
    table = np.array([difference(row.reaction) for row in known])
    closeness = _similarities(wanted, table)
    order = sorted(range(len(known)), key=lambda i: (-closeness[i], i))[:neighbours]
    near = [i for i in order if closeness[i] >= LEAST_SIMILAR]
    name = _class_of(reaction)
    details: dict[str, Any] = {
        "class": name,
        "neighbours": [
            {**known[i].model_dump(mode="json"), "similarity": round(float(closeness[i]), 4)} for i in order
        ],
    }
    nearest = float(max(0.0, closeness[order[0]]))
    if not near:
        why = (
            f"it abstains: no known reaction is as similar as {LEAST_SIMILAR} (the nearest has {nearest:.2f})"
        )
        return Prediction(predicted=0, similarity=nearest, warnings=(why,), details=details)
    ranked = _ranked(near, closeness, known, name)
    if not ranked:
        why = "it abstains: all similar reactions gave nothing"
        return Prediction(predicted=0, similarity=nearest, warnings=(why,), details=details)
    return Prediction(
        predicted=1,
        similarity=nearest,
        probability=ranked[0]["probability"],
        expected_yield=ranked[0]["expected_yield"],
        details={**details, "conditions": ranked},
    )


def difference(reaction: str) -> NDArray[np.int64]:
    """Return what a reaction changes: counts of Morgan environments of products less reactants (2048,).

    Raises:
        ToolFailedError: it is no reaction SMILES.
    """
    from rdkit import Chem
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=SIZE)
    reactants, products = split_reaction(reaction)
    changed = np.zeros(SIZE, dtype=np.int64)
    for sign, side in ((-1, reactants), (1, products)):
        for smiles in side:
            counts = generator.GetCountFingerprintAsNumPy(Chem.MolFromSmiles(smiles))
            changed += sign * counts.astype(np.int64)
    return changed


def _similarities(wanted: NDArray[np.int64], table: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the continuous Tanimoto coefficients of one vector with each row; -1/3 at least."""
    dot = table @ wanted
    union = (table * table).sum(axis=1) + wanted @ wanted - dot
    found: NDArray[np.float64] = np.where(union > 0, dot / np.maximum(union, 1), 0.0)
    return found


def _class_of(reaction: str) -> str | None:
    reactants, products = split_reaction(reaction)
    found = reaction_class(reactants[:6], products[0])  # orders of more would take too long
    return found.name if found else None


def _ranked(
    near: Sequence[int], closeness: NDArray[np.float64], known: Sequence[KnownReaction], name: str | None
) -> list[dict[str, Any]]:
    votes: dict[tuple[tuple[str, str], ...], float] = defaultdict(float)
    behind: dict[tuple[tuple[str, str], ...], list[int]] = defaultdict(list)
    for i in near:
        row = known[i]
        worth = 1.0 if row.yield_percent is None else row.yield_percent / 100
        same = name is not None and _class_of(row.reaction) == name
        conditions = tuple(sorted(row.conditions.items()))
        votes[conditions] += float(closeness[i]) * worth * (SAME_CLASS if same else 1.0)
        behind[conditions].append(i)
    total = sum(votes.values())
    ranked = []
    for conditions in sorted(votes, key=lambda c: (-votes[c], c)) if total > 0 else ():
        yields = [y for i in behind[conditions] if (y := known[i].yield_percent) is not None]
        ranked.append(
            {
                "conditions": dict(conditions),
                "probability": votes[conditions] / total,
                "expected_yield": sum(yields) / len(yields) if yields else None,
                "n": len(behind[conditions]),
                "sources": sorted({known[i].source for i in behind[conditions] if known[i].source}),
            }
        )
    return ranked
