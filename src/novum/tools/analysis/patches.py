"""Patches of a time series: how Intern-S1-Pro cuts one, so that its length in tokens is known beforehand.

References:
    Intern-S1-Pro's time-series encoder, as LMDeploy runs it.
"""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LONGEST_STRIDE = 160


def stride_for(sampling_rate_hz: float) -> int:
    """Return the number of samples from one patch to the next; a patch is twice as long.

    Example:
        >>> [stride_for(rate) for rate in (0.1, 1, 10, 50, 100, 250, 500, 1000, 4000)]
        [2, 2, 3, 9, 24, 99, 153, 159, 160]
    """
    shape = (1 + math.exp(-min(sampling_rate_hz / 100, 700))) ** 6
    return math.floor(LONGEST_STRIDE / shape)


def patches_of(values: "Floats", stride: int) -> "Floats":
    """Return overlapping patches, padded with zeros at the end: ``(n_patches, 2 * stride)``.

    Example:
        >>> import numpy as np
        >>> patches_of(np.arange(1.0, 6.0), 2).tolist()
        [[1.0, 2.0, 3.0, 4.0], [3.0, 4.0, 5.0, 0.0]]
    """
    import numpy as np

    length = 2 * stride
    n = max(1, math.ceil((len(values) - length) / stride) + 1)
    padded = np.zeros((n - 1) * stride + length)
    padded[: len(values)] = values
    return np.lib.stride_tricks.sliding_window_view(padded, length)[::stride].copy()


def tokens_for(n_patches: int) -> int:
    """Return about how many tokens patches become: each four of them one.

    Example:
        >>> tokens_for(400)
        100
    """
    return math.ceil(n_patches / 4)
