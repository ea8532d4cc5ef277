"""The whole error tree, sorted by who must act.

NovumError
├── UsageError                 the caller; shown without a traceback
│   ├── GoalError                 a goal that cannot be pursued as written
│   ├── UnitError                 a unit that is missing, unknown or of the wrong dimension
│   ├── SettingsError             a setting that is unknown or out of range
│   ├── NotFoundError             a campaign, tool, item or file that is not there
│   ├── IngestError               a file that the knowledge base cannot take
│   ├── MissingExtraError         an optional dependency that the request needs
│   ├── NotGrantedError           network hosts that a tool asks for and nobody granted
│   └── NotReleasedError          something that may not go where it was about to go
├── ToolError                  the planner, which may choose otherwise
│   ├── ToolArgumentError         arguments that do not fit the tool's schema
│   ├── ToolFailedError           a calculation that failed
│   └── ModelReplyError           a language model's reply that cannot be used
│       ├── ContextOverflowError     what was asked is longer than the model can read
│       └── NoUsableReplyError       every try for a reply of a wanted form failed
├── InfrastructureError        retried by one policy
│   ├── SandboxUnavailableError   no isolation can be had
│   ├── SandboxBrokenError        the sandbox itself failed, not the code inside it
│   ├── StoreError                a ledger, knowledge base or index that cannot be used
│   └── ModelUnavailableError     a language model that does not answer
├── LimitExceededError         ends the campaign in order, with its report
└── EvidenceError              a claim its evidence does not carry; never caught
"""

from typing import ClassVar, Literal


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


class NotReleasedError(UsageError):
    """Something of a closer access tier was about to go where it may not. Never caught: nothing went."""


class ToolError(NovumError):
    """A tool could not do what was asked; the planner may choose otherwise."""


class ToolArgumentError(ToolError):
    """Arguments that do not fit the tool's schema: wrong name, type, unit or range."""


class ToolFailedError(ToolError):
    """A calculation that ran and failed, with the reason in words."""


ReplyFault = Literal[
    "empty", "malformed", "schema", "repetition", "cut", "refusal", "context", "rejected", "unsupported"
]
"""Why a reply cannot be used: it is empty, cannot be read, does not fit, says the same over and over, was
cut at its limit of tokens, declines, is longer than the model can read, or the server could not handle the
request (rejected) or the kind of content (unsupported)."""

ModelFault = Literal["unreachable", "timeout", "overloaded", "dropped", "failed", "denied"]
"""Why a model does not answer: nobody listens, its time is up, it is busy, the connection or the stream
ended too early, the server failed, or the server denies access or does not have the model."""


class ModelReplyError(ToolError):
    """A language model answered, with something that cannot be used; the planner may choose otherwise.

    Args:
        message: what is wrong with it.
        kind: the fault, for tables and tests.
    """

    def __init__(self, message: str, *, kind: ReplyFault) -> None:
        self.kind: ReplyFault = kind
        super().__init__(message)


class ContextOverflowError(ModelReplyError):
    """What was asked, with the room for the reply, is longer than the model can read; ask less.

    Args:
        message: what the server said.
        limit: tokens that the model can read, where the server told.
        asked: tokens that were asked of it, where the server told.
    """

    def __init__(self, message: str, *, limit: int | None = None, asked: int | None = None) -> None:
        self.limit = limit
        self.asked = asked
        super().__init__(message, kind="context")


class NoUsableReplyError(ModelReplyError):
    """Every try to get a reply of a wanted form failed.

    Args:
        message: what was wrong with the last.
        kind: the last fault.
        problems: what was wrong with each, in order.
    """

    def __init__(self, message: str, *, kind: ReplyFault, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__(message, kind=kind)


class InfrastructureError(NovumError):
    """Something underneath is unavailable; the caller's one retry policy decides."""

    exit_code: ClassVar[int] = 4


class SandboxUnavailableError(InfrastructureError):
    """No isolation can be had on this machine; the message says how to get it."""


class SandboxBrokenError(InfrastructureError):
    """The sandbox itself failed. Never a verdict on the code that ran inside it."""


class StoreError(InfrastructureError):
    """A ledger, knowledge base or index that cannot be opened, or is damaged."""


class ModelUnavailableError(InfrastructureError):
    """A language model does not answer, after the retries that its deadline left room for.

    Args:
        message: what happened, without key or address.
        kind: the fault, for tables and tests.
        retry_after_s: seconds that the server asked to wait, where it did.
    """

    def __init__(self, message: str, *, kind: ModelFault, retry_after_s: float | None = None) -> None:
        self.kind: ModelFault = kind
        self.retry_after_s = retry_after_s
        super().__init__(message)


class LimitExceededError(NovumError):
    """A budget or limit is used up; the campaign ends in order."""

    exit_code: ClassVar[int] = 3


class EvidenceError(NovumError):
    """A claim, or a record, that its evidence does not carry."""

    exit_code: ClassVar[int] = 5
