"""The Docker sandbox: every call in a container of its own, made ready before it is asked for.

Who is who, from the outside in:

- `sandbox` and `pool` run in our process. They keep containers ready, hand over single calls, watch
  them, and end them; `engine` is the one place that speaks to the Docker engine.
- `init` is the first process of a container, trusted and with our code only: it imports the profile's
  modules, forks the one call, relays what that says, and kills whatever is left of it.
- The call itself is `novum.sandbox.inside.guest`, as in every other backend.

What a container is allowed is in `hardening`; what passes between `container` and `init`, in `frames`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from novum.sandbox.docker.image import build_image
    from novum.sandbox.docker.sandbox import DockerSandbox

__all__ = ["DockerSandbox", "build_image"]

# on first use: `init` lives in this package too, and loads nothing of the supervisor's side
_HOMES = {"DockerSandbox": "novum.sandbox.docker.sandbox", "build_image": "novum.sandbox.docker.image"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
