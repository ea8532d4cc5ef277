"""Independent random streams, named by seed, iteration and purpose."""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What a stream is for. Streams of different purposes never share numbers."""

    DESIGN = 0
    SEARCH = 1
    ACQUISITION = 2
    RANDOM = 3
    MIX = 4
    SHOWN = 5


def open_stream(seed: int, iteration: int, stream: Stream) -> np.random.Generator:
    """Return the generator of one purpose in one iteration; equal arguments give equal numbers."""
    return np.random.default_rng(np.random.SeedSequence([seed, iteration, int(stream)]))
