"""From tool results to measurements in the goal's units."""

from collections.abc import Mapping, Sequence

from novum.core.calls import ToolResult
from novum.core.science import Experiment, Measurement, Origin
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
            if not experiment.sealed and (assay.tool is None or assay.tool.name != result.call.tool):
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
