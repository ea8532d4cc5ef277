"""Whether a person must decide before work on a candidate goes on: the hazard screen at the gate."""

import functools
from collections.abc import Mapping
from typing import Any

from novum.core.record import CampaignRecord
from novum.core.spaces import Candidate, PoolSpace, Space

SCREENS = frozenset({"chemistry.hazards"})
"""Tools that may look at any molecule: they say what is wrong with it."""


def hazard_of(candidate: Candidate, space: Space) -> str:
    """Return why a person must decide about a candidate; empty where nothing was found.

    Looked at are the argument ``smiles`` and, of a pool, the column that it names as SMILES. What cannot be
    judged is a hazard.
    """
    names = {"smiles"}
    if isinstance(space, PoolSpace) and space.smiles:
        names.add(space.smiles)
    return hazard_in({name: candidate.arguments[name] for name in names if name in candidate.arguments})


def hazard_in(arguments: Mapping[str, Any]) -> str:
    """Return why a person must decide about molecules among named values; empty where nothing was found."""
    found = [_hazard(value) for _, value in sorted(arguments.items())]
    return "; ".join(reason for reason in found if reason)


def overridden(record: CampaignRecord) -> frozenset[str]:
    """Return the candidates that a person let through although the screen had stopped them."""
    return frozenset(
        record.experiments[name].experiment.candidate.id
        for gate in record.gates.values()
        for name in gate.hazards
        if name in gate.allowed
    )


def _hazard(value: Any) -> str:
    return _screened(value) if isinstance(value, str) else f"not judged: {value!r} is no SMILES"


@functools.lru_cache(maxsize=4096)
def _screened(smiles: str) -> str:
    from novum.tools.chemistry.hazard_screen import screen  # loads RDKit

    found = screen(smiles)
    return "" if found.may_proceed else str(found)
