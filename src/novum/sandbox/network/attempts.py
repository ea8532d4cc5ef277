"""What the network proxy remembers of each connection, and what it lists."""

from collections.abc import Sequence
from dataclasses import dataclass

from novum.sandbox.base import NetworkAttempt


@dataclass(slots=True)
class Record:
    """A connection while it lasts; see `NetworkAttempt`. One that said nothing has no host and no reason."""

    host: str = ""
    port: int = 0
    allowed: bool = False
    reason: str = ""
    sent: int = 0
    received: int = 0


def list_attempts(records: Sequence[Record], at_most: int) -> tuple[NetworkAttempt, ...]:
    """Return the attempts in `records`, in their order; of more than `at_most`, one entry sums the others.

    Those to granted hosts are kept before others: a flood of refused ones must not hide one that went
    through.
    """
    made = [record for record in records if record.host or record.reason]
    by_weight = sorted(range(len(made)), key=lambda i: not made[i].allowed)
    listed = tuple(_attempt(made[i]) for i in sorted(by_weight[:at_most]))
    others = [made[i] for i in by_weight[at_most:]]
    return (*listed, _sum(others)) if others else listed


def _attempt(record: Record) -> NetworkAttempt:
    return NetworkAttempt(
        host=record.host,
        port=record.port,
        allowed=record.allowed,
        reason=record.reason,
        sent=record.sent,
        received=record.received,
    )


def _sum(others: Sequence[Record]) -> NetworkAttempt:
    granted = sum(record.allowed for record in others)
    return NetworkAttempt(
        host="",
        port=0,
        allowed=granted > 0,
        reason=f"{len(others)} more attempts, {granted} of them to granted hosts",
        sent=sum(record.sent for record in others),
        received=sum(record.received for record in others),
    )
