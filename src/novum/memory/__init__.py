"""What we did: the ledger of events, the artifacts, the results of calls."""

from novum.memory.artifacts import Artifacts
from novum.memory.calls import CallCache
from novum.memory.ledger import CampaignState, CampaignSummary, Ledger, LedgerRecord, Verification

__all__ = [
    "Artifacts",
    "CallCache",
    "CampaignState",
    "CampaignSummary",
    "Ledger",
    "LedgerRecord",
    "Verification",
]
