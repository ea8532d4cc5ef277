"""What is known of old versions of the engine's parts."""

import re
from collections.abc import Mapping
from typing import Final

_FIXES: Final = (
    ("runc", ((1, 1, 12),), "CVE-2024-21626"),
    ("runc", ((1, 2, 8), (1, 3, 3)), "CVE-2025-31133, CVE-2025-52565, CVE-2025-52881"),
)
"""Part, the first good version of each line (older lines have none), and what it mends.

References:
    https://github.com/opencontainers/runc/security/advisories: GHSA-xr7r-f8xq-vfvv, GHSA-9493-h29p-rfm2,
    GHSA-qw9x-cqr3-wc7r, GHSA-cgrx-mc8f-2prm.
"""


def find_warnings(versions: Mapping[str, str]) -> tuple[str, ...]:
    """Return what to say about the parts of an engine: part → version, as the engine tells them.

    A distribution mends a version without changing its number, so an old number is a warning only.

    Example:
        >>> find_warnings({"runc": "1.3.3"})
        ()
        >>> find_warnings({"runc": "1.2.7"})[0].startswith("runc 1.2.7 is older than 1.2.8")
        True
    """
    warnings = []
    for part, first_good, what in _FIXES:
        version = versions.get(part)
        found = _parse(version) if version is not None else None
        if version is None or found is None or not _is_older(found, first_good):
            continue
        wanted = " or ".join(".".join(map(str, good)) for good in first_good)
        warnings.append(
            f"{part} {version} is older than {wanted}, which mends {what}: update it, unless your "
            "distribution has back-ported the fix"
        )
    return tuple(warnings)


def _is_older(found: tuple[int, ...], first_good: tuple[tuple[int, ...], ...]) -> bool:
    same_line = [good for good in first_good if good[:2] == found[:2]]
    return found < (same_line or first_good)[0]


def _parse(version: str) -> tuple[int, ...] | None:
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version)
    return tuple(map(int, found.groups())) if found else None
