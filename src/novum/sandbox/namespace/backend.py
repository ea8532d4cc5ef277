"""The namespace sandbox: what its isolation is made of."""

from novum.sandbox.kernel import landlock as landlock_rules
from novum.sandbox.warm.sandbox import WarmSandbox


class NamespaceSandbox(WarmSandbox):
    """Runs every call in its own Linux namespaces, without a daemon, an image or root.

    The kernel is shared with the host: this is a boundary against everything that a program may do,
    not against an exploit of the kernel itself.

    Args:
        pool_size: isolated children to keep ready per profile; 0 makes every call wait for its own.
        pool_mb: memory that idle zygotes and children may hold together.

    Example::

        with NamespaceSandbox() as sandbox:
            request = SandboxRequest(entry="math:dist", arguments={...}, limits=Limits(wall_s=5))
            result = sandbox.run(request)
    """

    name = "namespace"
    zygote_module = "novum.sandbox.namespace.zygote"

    def mechanisms(self) -> dict[str, str]:
        """Return what enforces each promise and limit."""
        version = landlock_rules.abi()
        return {
            "files": "mount namespace" + (f", Landlock {version}" if version else ""),
            "network": "network namespace, seccomp" + (", Landlock" if version >= 4 else ""),
            "other_processes": "process namespace",
            "privileges": "no capabilities, no_new_privs, seccomp allow-list",
            "scratch_mb": "size of tmpfs, RLIMIT_FSIZE",
            **super().mechanisms(),
        }
