"""The whole error tree, sorted by who must act.

NovumError
├── UsageError                 the caller; shown without a traceback
│   ├── GoalError                 a goal that cannot be pursued as written
│   ├── UnitError                 a unit that is missing, unknown or of the wrong dimension
│   ├── SettingsError             a setting that is unknown or out of range
│   ├── NotFoundError             a campaign, tool, item or file that is not there
│   ├── IngestError               a file that the knowledge base cannot take
│   ├── MissingExtraError         an optional dependency that the request needs
│   └── NotGrantedError           network hosts that a tool asks for and nobody granted
├── ToolError                  the planner, which may choose otherwise
│   ├── ToolArgumentError         arguments that do not fit the tool's schema
│   └── ToolFailedError           a calculation that failed
├── InfrastructureError        retried by one policy
│   ├── SandboxUnavailableError   no isolation can be had
│   ├── SandboxBrokenError        the sandbox itself failed, not the code inside it
│   └── StoreError                a ledger, knowledge base or index that cannot be used
├── LimitExceededError         ends the campaign in order, with its report
└── EvidenceError              a claim its evidence does not carry; never caught
"""

from typing import ClassVar


class NovumError(Exception):
    """Root of every error that novum raises on purpose."""

    exit_code: ClassVar[int] = 1


class UsageError(NovumError):
    """The caller asked for something that cannot be done as asked."""

    exit_code: ClassVar[int] = 2


class GoalError(UsageError):
    """A goal that cannot be pursued as written.

    Args:
        message: what is wrong, what was expected and what to do.
        line: line in the goal file, counted from 1.
        key: dotted path of the offending key, as ``objectives.1.unit``.
    """

    def __init__(self, message: str, *, line: int | None = None, key: str | None = None) -> None:
        self.line = line
        self.key = key
        place = ", ".join(
            part for part in (f"line {line}" if line else "", f"key {key!r}" if key else "") if part
        )
        super().__init__(f"{place}: {message}" if place else message)


class UnitError(UsageError):
    """A unit that is missing, unknown or of the wrong dimension."""


class SettingsError(UsageError):
    """A setting that is unknown or out of range."""


class NotFoundError(UsageError):
    """A campaign, tool, item or file that is not there."""


class IngestError(UsageError):
    """A file that the knowledge base cannot take, with the reason."""


class MissingExtraError(UsageError):
    """An optional dependency that the request needs is not installed."""

    def __init__(self, *, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an optional part: pip install 'novum[{extra}]'")
        self.feature = feature
        self.extra = extra


class NotGrantedError(UsageError):
    """A tool asks for network hosts, and no setting grants them."""

    def __init__(self, *, tool: str, hosts: tuple[str, ...]) -> None:
        listed = ", ".join(f'"{host}"' for host in hosts)
        super().__init__(
            f"tool {tool!r} asks to reach {', '.join(hosts)}, which nobody has granted; "
            f'if you trust it with that, put into novum.toml: [grants] "{tool}" = [{listed}]'
        )


class ToolError(NovumError):
    """A tool could not do what was asked; the planner may choose otherwise."""


class ToolArgumentError(ToolError):
    """Arguments that do not fit the tool's schema: wrong name, type, unit or range."""


class ToolFailedError(ToolError):
    """A calculation that ran and failed, with the reason in words."""


class InfrastructureError(NovumError):
    """Something underneath is unavailable; the caller's one retry policy decides."""

    exit_code: ClassVar[int] = 4


class SandboxUnavailableError(InfrastructureError):
    """No isolation can be had on this machine; the message says how to get it."""


class SandboxBrokenError(InfrastructureError):
    """The sandbox itself failed. Never a verdict on the code that ran inside it."""


class StoreError(InfrastructureError):
    """A ledger, knowledge base or index that cannot be opened, or is damaged."""


class LimitExceededError(NovumError):
    """A budget or limit is used up; the campaign ends in order."""

    exit_code: ClassVar[int] = 3


class EvidenceError(NovumError):
    """A claim, or a record, that its evidence does not carry."""

    exit_code: ClassVar[int] = 5
