"""The backend for where namespaces are refused, as in an ordinary container: Landlock, seccomp and rlimits.

`backend` is ours. `zygote` imports the libraries and only forks. For each call it forks a `guard`, which
forks the `child`: that one shuts itself in (`filters`) and runs the job. The guard, trusted and out of
the child's reach, adds up what the call uses (`family`, `scratch`), lets it fork and change its own files
(`counter`, `deputy`), and when the child has ended it ends whatever else the call has started.

All but `backend` use the standard library alone: they are loaded before isolation exists.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from novum.sandbox.landlock.backend import LandlockSandbox

__all__ = ["LandlockSandbox"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # on first use: a zygote imports this package, and not the backend
    from novum.sandbox.landlock import backend

    return getattr(backend, name)
