"""Loading a zygote's libraries, once, before there is anything untrusted. Standard library only."""

import gc
import importlib
import sys
from pathlib import Path
from typing import Final

_RESTARTED: Final = {"jemalloc_bg_thd"}
"""Threads that their library starts anew in a fork: Arrow's memory allocator, and so pandas."""


def count_threads() -> int:
    """Return how many threads this process has that a fork of it would lack."""
    names = [
        path.read_text(encoding="utf-8", errors="replace").strip()
        for path in Path("/proc/self/task").glob("*/comm")
    ]
    return sum(name not in _RESTARTED for name in names)


def preload(modules: list[str]) -> dict[str, str]:
    """Import `modules`; return those that could not be, with the reason.

    A call that needs a missing one says so itself, as its own error.
    """
    broken = {}
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # noqa: BLE001  (a library may raise anything while it is imported)
            broken[module] = f"{type(error).__name__}: {error}"
    if "numpy" in sys.modules:
        importlib.import_module("numpy.random")  # numpy loads it on first use: on seeding, in every call
    gc.collect()
    # what is here now is never collected: a collection would touch, and so copy, every shared page
    gc.freeze()
    gc.disable()
    return broken
