"""The namespace sandbox with one layer taken away: to see which trial notices, and what still holds.

Nothing selects it: it has to be constructed, and its attestation says that it is not whole.
"""

from dataclasses import replace
from enum import StrEnum

from novum.sandbox.base import Attestation
from novum.sandbox.kernel.cgroups import Group
from novum.sandbox.namespace.backend import NamespaceSandbox


class Layer(StrEnum):
    """One of the things that the namespace sandbox is made of."""

    SECCOMP = "seccomp"
    LANDLOCK = "landlock"
    NETWORK = "network namespace"
    IPC = "ipc namespace"
    PROC_MASKS = "masks over /proc"
    IDENTITY = "user of each call's own"
    CAPABILITIES = "dropped capabilities"
    RLIMITS = "rlimits"
    WATCHDOG = "watchdog"
    CGROUP = "control groups"


class AblatedSandbox(NamespaceSandbox):
    """The namespace sandbox without some of its layers: unsafe, for trials of the trials only.

    Its calls run without an attestation, which would refuse it.
    """

    name = "ablated"

    def __init__(self, *layers: Layer) -> None:
        self._without = frozenset(layers)
        super().__init__(pool_size=0)
        self.watched = Layer.WATCHDOG not in self._without

    def attest(self) -> Attestation:
        """Return what is left, marked as not whole."""
        attestation = super().attest()
        missing = ", ".join(sorted(self._without)) or "nothing"
        return replace(
            attestation,
            checks={**attestation.checks, "whole": not self._without},
            seen={**attestation.seen, "whole": f"without {missing}"},
        )

    def zygote_settings(self) -> dict[str, object]:
        """Return what the zygote shall leave out."""
        return {"without": sorted(self._without)}

    def _require_attestation(self) -> None:
        return

    def _group(self) -> Group | None:
        return None if Layer.CGROUP in self._without else super()._group()
