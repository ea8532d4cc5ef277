"""From an item's evidence to the ledger: what was predicted, done and seen."""

from novum.core.events import ConfirmationPlanned, Designed, ExperimentFinished, Hypothesised, Judged, Told
from novum.core.knowledge import LEDGER
from novum.core.science import Experiment
from novum.core.tracing import Trace
from novum.memory.ledger import Ledger, LedgerRecord

KEPT = 64
"""Records of plans that a tracer keeps at hand."""


class Tracer:
    """Finds the experiments that items name as their evidence, for `KnowledgeBase.why`.

    Args:
        ledger: what happened.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._plans: dict[tuple[str, str], LedgerRecord] = {}

    def __call__(self, target: str) -> Trace | None:
        """Return the experiment behind ``ledger:CAMPAIGN/EXPERIMENT``, or None if it is not here.

        Raises:
            StoreError: the ledger cannot be read.
        """
        campaign, _, name = target.removeprefix(LEDGER).partition("/")
        name = name.removeprefix("finish/")
        ended = self._find(campaign, f"finish/{name}") or self._find(campaign, f"tell/{name}")
        if ended is None:
            return None
        event = ended.event
        trace = Trace(target=target, campaign=campaign, finished_at=ended.time, hash=ended.hash)
        if isinstance(event, Told):
            return trace.model_copy(update={"measurements": event.measurements, "failed": event.failed})
        assert isinstance(event, ExperimentFinished)
        judged = self._find_plan(campaign, f"judge/{event.iteration}")
        verdicts = judged.event.verdicts if judged and isinstance(judged.event, Judged) else ()
        return trace.model_copy(
            update={
                **self._before(campaign, name, event.iteration),
                "results": event.results,
                "measurements": event.measurements,
                "failed": event.failed,
                "verdicts": tuple(v for v in verdicts if v.experiment == name),
            }
        )

    def _before(self, campaign: str, name: str, iteration: int) -> dict[str, object]:
        """Return what was planned for an experiment, and what was predicted of it."""
        for design, plan in ((f"design/{iteration}", f"hypothesise/{iteration}"), ("confirmation",) * 2):
            designed, planned = self._find_plan(campaign, design), self._find_plan(campaign, plan)
            if designed is None or planned is None:
                continue
            experiment = _experiment(designed, name)
            if experiment is None:
                continue
            assert isinstance(planned.event, Hypothesised | ConfirmationPlanned)
            hypotheses = {h.id: h for h in planned.event.hypotheses}
            registrations = planned.event.registrations
            return {
                "experiment": experiment,
                "hypothesis": hypotheses.get(experiment.hypothesis),
                "registration": registrations.get(experiment.hypothesis, ""),
                "registered_at": planned.time,
            }
        return {}

    def _find_plan(self, campaign: str, key: str) -> LedgerRecord | None:
        """Return a record that many experiments share; kept, because what is recorded never changes."""
        if (campaign, key) in self._plans:
            return self._plans[campaign, key]
        found = self._find(campaign, key)
        if found is not None:
            if len(self._plans) == KEPT:
                del self._plans[next(iter(self._plans))]
            self._plans[campaign, key] = found
        return found

    def _find(self, campaign: str, key: str) -> LedgerRecord | None:
        return self._ledger.find_record(campaign, key)


def _experiment(record: LedgerRecord, name: str) -> Experiment | None:
    assert isinstance(record.event, Designed | ConfirmationPlanned)
    return next((e for e in record.event.experiments if e.id == name), None)
