"""From tool results to measurements in the goal's units."""

from collections.abc import Mapping, Sequence

from novum.core.calls import ToolCall, ToolResult
from novum.core.science import Experiment, Measurement, Origin
from novum.core.spaces import Candidate
from novum.workflows.assays import Assay


def measurements_of(
    experiment: Experiment, results: Sequence[ToolResult], assays: Mapping[str, Assay]
) -> tuple[Measurement, ...]:
    """Return what the results say about the goal's properties, in the goal's units.

    A confirming tool measures a property under its own method; any property of the goal counts,
    whichever tool gave it.
    """
    measured = []
    for name, assay in assays.items():
        for result in results:
            if not result.ok or name not in result.properties:
                continue
            own = assay.tool is not None and assay.tool.name == result.call.tool
            if not (own or experiment.sealed):
                continue
            if own and not _is_call_of(assay, result.call, experiment.candidate):
                continue
            measured.append(
                Measurement(
                    experiment=experiment.id,
                    candidate=experiment.candidate.id,
                    property=name,
                    quantity=result.properties[name].to(assay.objective.unit),
                    tool=result.call.tool,
                    method=result.method,
                    call_key=result.key,
                    origin=Origin.SIMULATED,
                    sealed=experiment.sealed,
                )
            )
    return tuple(measured)


def _is_call_of(assay: Assay, call: ToolCall, candidate: Candidate) -> bool:
    """Say whether a call of the assay's tool has the assay's options: a goal may ask one tool in two ways."""
    options = assay.objective.options
    return set(options) <= set(call.arguments) and all(
        value == options[name] if name in options else name == "smiles" or name in candidate.arguments
        for name, value in call.arguments.items()
    )
