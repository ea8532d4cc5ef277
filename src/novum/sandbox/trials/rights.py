"""Trials of privileges and system calls."""

import errno
import os
import signal

from novum.core.calls import CallStatus
from novum.sandbox.trials.bench import Bench, Trials, expect

TRIALS = Trials()

DANGEROUS = (
    "mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "open_tree", "move_mount", "fsopen",
    "fsconfig", "fsmount", "fspick", "mount_setattr", "open_by_handle_at", "name_to_handle_at", "ptrace",
    "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", "memfd_create", "memfd_secret",
    "io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "perf_event_open", "userfaultfd",
    "add_key", "request_key", "keyctl", "fanotify_init", "kexec_load", "kexec_file_load", "init_module",
    "finit_module", "delete_module", "reboot", "swapon", "swapoff", "acct", "settimeofday",
    "clock_settime", "sethostname", "setdomainname", "quotactl", "syslog", "vhangup", "shmget", "semget",
    "msgget", "mq_open", "clone3",
)  # fmt: skip
"""System calls that no scientific tool needs and that kernel exploits like."""

_SOME_ERROR = set(range(1, 134))


@TRIALS.add(row=10)
def there_is_no_privilege_to_be_had(bench: Bench) -> None:
    """Not root, no capability, none to be gained: not by setuid(0), not by a set-user-id program."""
    seen = bench.ask("survey", paths=[], canary="x" * 16, port=9).value
    expect(seen["uid"] != 0 and not seen["became_root"] and not any(seen["capabilities"].values()), seen)
    filtered = seen["seccomp"] == 2 or bench.sandbox.versions().get("runtime") == "runsc"
    expect(seen["no_new_privileges"] == 1 and filtered, seen)
    result = bench.ask("run_program", arguments=["/usr/bin/id", "-u"])
    expect(result.status is CallStatus.OK and result.value["out"].strip() not in ("", "0"), result)
    result = bench.ask("run_program", arguments=["/bin/su", "-c", "id"])
    expect(result.status is not CallStatus.OK or "uid=0" not in result.value["out"], result)


@TRIALS.add(row=11)
def dangerous_system_calls_are_refused(bench: Bench) -> None:
    """Namespaces, mounts, modules, keys, io_uring and the like answer an error, or end the process."""
    from novum.sandbox.kernel.seccomp import numbers

    table = numbers(os.uname().machine)
    calls = [(name, table[name], [0] * 6) for name in DANGEROUS if name in table]
    expect(len(calls) >= 35, len(calls))
    came = bench.attack("call_kernel_often", calls=calls)
    open_ones = {name: number for name, number in came.items() if number >= 0 and number not in _SOME_ERROR}
    expect(open_ones == {}, open_ones)
    # an error can come from the arguments too: those that would succeed with them show the filter
    new_user = 0x10000000 | int(signal.SIGCHLD)
    clone = bench.attack("call_kernel_often", calls=[("clone", table["clone"], [new_user, 0, 0, 0, 0])])
    expect(clone["clone"] in (errno.EPERM, errno.ENOSYS), clone)
    families = [(f"socket {family}", table["socket"], [family, 3, 0]) for family in (16, 17, 38, 40)]
    refused = bench.attack("call_kernel_often", calls=families)
    expect(all(number for number in refused.values()), refused)


@TRIALS.add(row=12)
def foreign_numbers_lead_nowhere(bench: Bench) -> None:
    """A foreign ABI ends the process; numbers not reviewed do not exist; high bits hide nothing."""
    from novum.sandbox.kernel.seccomp import numbers

    machine = os.uname().machine
    if machine == "x86_64":
        result = bench.ask("end", how="forbidden-abi")
        expect((result.status, result.signal) == (CallStatus.CRASH, signal.SIGSYS), result)
        result = bench.ask("call_kernel", number=0x40000000 + 39, arguments=[])
        expect(result.status is CallStatus.CRASH or result.value == errno.ENOSYS, result)
    calls = [(str(number), number, [0] * 6) for number in (467, 500, 1023, 4095)]
    came = bench.attack("call_kernel_often", calls=calls)
    expect(set(came.values()) == {errno.ENOSYS}, came)
    ioctl = numbers(machine)["ioctl"]
    pushes = [(f"{high:#x}", ioctl, [0, 0x5412 | high, 0]) for high in (0, 1 << 32, 0xFFFFFFFF << 32)]
    came = bench.attack("call_kernel_often", calls=pushes)
    expect(not {0, errno.EFAULT} & set(came.values()), came)
