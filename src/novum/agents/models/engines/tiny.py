"""The tiny model as an engine: our own server, in a process of its own."""

import sys
from importlib.util import find_spec
from pathlib import Path

from novum.agents.models.engines.base import HOST, Command, Launch
from novum.core.errors import MissingExtraError

PORT = 8010
CONTEXT = 32768
"""Tokens, as `novum.agents.models.tiny.making` makes it; not imported from there, to stay light."""

QUIET = {
    # Without it, the first masked word would be preceded by seconds of compilation.
    "TORCHDYNAMO_DISABLE": "1",
    # More threads than one slow down a model of this size.
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}


def launch_tiny(*, cache: Path, port: int | None = None, train: bool = False, check: bool = True) -> Launch:
    """Return the command for the tiny model's server.

    Args:
        cache: where the model is kept; it is made there where it is missing.
        port: where it is to answer, on loopback.
        train: whether it is trained first.
        check: whether what it needs must be installed.

    Raises:
        MissingExtraError: llguidance is not installed.
    """
    if check and find_spec("llguidance") is None:
        raise MissingExtraError(feature="serving the tiny model", extra="serve-tiny")
    at = port or PORT
    argv = [sys.executable, "-m", "novum.agents.models.tiny", "--cache", str(cache), "--port", str(at)]
    return Launch(
        engine="tiny",
        server=(Command((*argv, *(["--train"] if train else [])), QUIET),),
        base_url=f"http://{HOST}:{at}/v1",
        health_url=f"http://{HOST}:{at}/health",
        served_as="tiny",
        family="generic",
        context_tokens=CONTEXT,
        notes=("its words mean nothing: it shows that everything works, and never what to do next",),
    )
