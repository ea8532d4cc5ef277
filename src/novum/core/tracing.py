"""What an experiment's records say together, from the prediction before it to the numbers after it."""

from pydantic import AwareDatetime

from novum.core.calls import ToolResult
from novum.core.frozen import Frozen
from novum.core.science import Experiment, Hypothesis, Measurement, Verdict


class Trace(Frozen):
    """One experiment of one campaign, as the ledger holds it."""

    target: str
    """``ledger:CAMPAIGN/RECORD``."""
    campaign: str
    hypothesis: Hypothesis | None = None
    """What was predicted; None where the record is no experiment on a hypothesis."""
    registration: str = ""
    """Digest under which the predictions were registered."""
    registered_at: AwareDatetime | None = None
    """When that was; before the experiment ran."""
    experiment: Experiment | None = None
    results: tuple[ToolResult, ...] = ()
    """What tools gave, with their versions, seeds and sandbox."""
    measurements: tuple[Measurement, ...] = ()
    failed: str = ""
    finished_at: AwareDatetime | None = None
    verdicts: tuple[Verdict, ...] = ()
    hash: str = ""
    """Hash of the ledger's record of the end of the experiment."""
