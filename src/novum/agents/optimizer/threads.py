"""Linear algebra on one thread."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep BLAS on one thread within the block.

    The matrices of a plan are small: threads that wait for each other make it ten times slower on a
    busy machine, and the order of their sums would depend on how many there are.
    """
    # BLAS libraries must be loaded before they can be limited; scipy brings its own.
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield
