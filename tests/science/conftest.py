"""One thread: several that wait for each other take longer, and change the last digits of sums."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
