"""The system call tables and the two filters made of them, without a kernel."""

import ctypes
import errno
import json
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novum.sandbox.kernel import seccomp, system_calls
from novum.sandbox.kernel.seccomp import Policy, Rule

ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
POLICIES = (
    Policy(sockets="private"),
    Policy(sockets="none"),
    Policy(sockets="private", dumpable_may_change=True),
)
TABLES = (system_calls.ALLOWED, system_calls.RULED, system_calls.REFUSED, system_calls.ABSENT)
ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000

machines = pytest.mark.parametrize("machine", ARCHES)
policies = pytest.mark.parametrize("policy", POLICIES, ids=str)


def follow(program, number: int, arguments=(), *, arch: int) -> tuple[int, int]:
    """Run a filter as the kernel would; return its answer and how many instructions it took."""
    words = {0: number, 4: arch}
    for i, argument in enumerate((*arguments, 0, 0, 0, 0, 0, 0)[:6]):
        words[16 + 8 * i], words[20 + 8 * i] = argument & 0xFFFFFFFF, argument >> 32 & 0xFFFFFFFF
    accumulator = at = steps = 0
    while True:
        code, yes, no, constant = program[at]
        at, steps = at + 1, steps + 1
        match code:
            case 0x20:
                accumulator = words[constant]
            case 0x06:
                return constant, steps
            case 0x54:
                accumulator &= constant
            case 0x05:
                at += constant
            case 0x15:
                at += yes if accumulator == constant else no
            case 0x25:
                at += yes if accumulator > constant else no
            case 0x35:
                at += yes if accumulator >= constant else no
            case _:
                raise AssertionError(hex(code))


def decide(machine: str, policy: Policy, number: int, *arguments: int, arch: int | None = None) -> int:
    return follow(seccomp.program(machine, policy), number, arguments, arch=arch or ARCHES[machine])[0]


def numbers(machine: str) -> dict[int, str]:
    column = list(ARCHES).index(machine)
    return {
        both[column]: name for table in TABLES for name, both in table.items() if both[column] is not None
    }


def expected(decision: seccomp.Decision, arguments=()) -> int:
    """Say what a decision means for a call, in other words than the filter's."""
    if isinstance(decision, int):
        return REFUSE | decision
    for rule in decision:
        listed = (arguments[rule.argument] & rule.mask) in rule.values
        if listed == rule.forbidden:
            return REFUSE | rule.refused_with
    return ALLOW


@machines
def test_every_number_is_in_one_place_only(machine):
    column = list(ARCHES).index(machine)
    found = [both[column] for table in TABLES for both in table.values() if both[column] is not None]
    assert len(found) == len(set(found))
    assert max(found) == system_calls.NEWEST_REVIEWED
    assert len(found) == len(numbers(machine))


def test_every_name_is_in_one_table_only_and_has_a_number():
    names = [name for table in TABLES for name in table]
    assert len(names) == len(set(names))
    assert all(any(n is not None for n in both) for table in TABLES for both in table.values())


def test_both_machines_share_the_numbers_from_424_on():
    shared = [both for table in TABLES for both in table.values() if max(n or 0 for n in both) >= 424]
    assert len(shared) == system_calls.NEWEST_REVIEWED - 424 + 1
    assert all(x86_64 == aarch64 for x86_64, aarch64 in shared)


HEADERS = {
    "x86_64": ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"),
    "aarch64": (
        "/usr/include/aarch64-linux-gnu/asm/unistd_64.h",
        "/usr/aarch64-linux-gnu/include/asm/unistd_64.h",
        "/usr/include/asm-generic/unistd.h",
    ),
}


def read_header(path: Path) -> dict[str, int]:
    """Return the 64-bit calls of a kernel header."""
    text = path.read_text(encoding="ascii")
    found = {name: int(n) for name, n in re.findall(r"#define __NR_(\w+)\s+(\d+)\b", text)}
    # the generic header gives some numbers a name for each size of word
    words = {name: int(n) for name, n in re.findall(r"#define __NR3264_(\w+)\s+(\d+)\b", text)}
    wide = re.search(r"#if __BITS_PER_LONG == 64 && .*?#else", text, re.DOTALL)
    for name, general in re.findall(r"#define __NR_(\w+)\s+__NR3264_(\w+)", wide[0] if wide else ""):
        if general in words:
            found[name] = words[general]
    no_calls = ("syscalls", "arch_specific_syscall", "sync_file_range2")
    # 403 to 423 are for 32-bit machines
    return {name: n for name, n in found.items() if name not in no_calls and not 403 <= n <= 423}


@machines
def test_the_tables_agree_with_the_kernel_headers(machine):
    path = next((Path(p) for p in HEADERS[machine] if Path(p).exists()), None)
    if path is None:
        pytest.skip(f"no kernel headers for {machine}: none of {', '.join(HEADERS[machine])}")
    header = read_header(path)
    newest = max(header.values())
    ours = {name: n for n, name in numbers(machine).items()}
    reviewed = {name: n for name, n in header.items() if n <= system_calls.NEWEST_REVIEWED}
    assert {name: ours.get(name) for name in reviewed} == reviewed
    # removed from newer headers, or added after older ones
    unknown = {name for name, n in ours.items() if name not in header and n <= newest}
    assert unknown <= {"nfsservctl", "lookup_dcookie", "uretprobe", "uprobe"}


@machines
@policies
def test_every_number_is_decided_as_the_table_says(machine, policy):
    program = seccomp.program(machine, policy)
    known, decisions = numbers(machine), seccomp.decisions(policy)
    assert set(decisions) == {name for table in TABLES for name in table}
    for number in [*range(1101), 0x3FFFFFFF]:
        answer = follow(program, number, arch=ARCHES[machine])[0]
        decision = decisions[known[number]] if number in known else errno.ENOSYS
        assert answer == expected(decision, [0] * 6), (number, known.get(number))


@policies
def test_what_kernel_exploits_like_is_never_allowed(policy):
    eperm = (
        "mount umount2 pivot_root chroot unshare setns open_tree move_mount fsopen fsconfig fsmount "
        "fspick mount_setattr name_to_handle_at open_by_handle_at fanotify_init fanotify_mark ptrace "
        "process_vm_readv process_vm_writev pidfd_getfd kcmp bpf perf_event_open userfaultfd add_key "
        "request_key keyctl modify_ldt mbind set_mempolicy migrate_pages move_pages kexec_load "
        "kexec_file_load init_module finit_module delete_module reboot swapon swapoff acct quotactl "
        "quotactl_fd settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname iopl "
        "ioperm syslog vhangup"
    )
    enosys = (
        "clone3 memfd_create memfd_secret io_uring_setup io_uring_enter io_uring_register "
        "shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl "
        "mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr"
    )
    decisions = seccomp.decisions(policy)
    assert {decisions[name] for name in eperm.split()} == {errno.EPERM}
    assert {decisions[name] for name in enosys.split()} == {errno.ENOSYS}


@machines
@policies
@given(data=st.data())
def test_arguments_are_judged_as_the_rules_say(machine, policy, data):
    ruled = {n: d for n, d in seccomp.decisions(policy).items() if not isinstance(d, int) and d}
    name = data.draw(st.sampled_from(sorted(ruled)))
    near = [0, *(value for rule in ruled[name] for value in rule.values)]
    word = st.integers(0, 2**64 - 1) | st.builds(
        lambda value, flipped, high: value ^ flipped ^ high << 32,
        st.sampled_from(near),
        st.just(0) | st.integers(0, 31).map(lambda bit: 1 << bit),
        st.sampled_from([0, 1, 2**32 - 1]),
    )
    arguments = data.draw(st.lists(word, min_size=6, max_size=6))
    number = {called: n for n, called in numbers(machine).items()}[name]
    assert decide(machine, policy, number, *arguments) == expected(ruled[name], arguments)


@pytest.mark.parametrize(
    ("machine", "clone", "ioctl", "prctl", "sock", "pair", "personality"),
    [("x86_64", 56, 16, 157, 41, 53, 135), ("aarch64", 220, 29, 167, 198, 199, 92)],
)
def test_the_rules_are_these(machine, clone, ioctl, prctl, sock, pair, personality):
    private, none, container = POLICIES
    refused = {e: REFUSE | e for e in (errno.EPERM, errno.EAFNOSUPPORT)}
    assert decide(machine, private, clone, 0x01200011) == ALLOW
    for kind in (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert decide(machine, private, clone, kind | 17) == refused[errno.EPERM]
    assert decide(machine, private, ioctl, 0, 0x5401) == ALLOW
    for request in (0x5412, 0x541C, 0x5423, 0x5412 | 1 << 32):
        assert decide(machine, private, ioctl, 0, request) == refused[errno.EPERM]
    assert decide(machine, private, prctl, 15) == ALLOW
    assert decide(machine, private, prctl, 22) == ALLOW
    assert decide(machine, private, prctl, 4) == decide(machine, none, prctl, 4) == refused[errno.EPERM]
    assert decide(machine, container, prctl, 4) == ALLOW
    assert [decide(machine, private, personality, p) for p in (0, 0xFFFFFFFF)] == [ALLOW] * 2
    assert decide(machine, private, personality, 0x40000) == refused[errno.EPERM]
    assert [decide(machine, private, sock, family) for family in (1, 2, 10)] == [ALLOW] * 3
    assert decide(machine, private, sock, 16) == decide(machine, private, sock, 40) == refused[97]
    assert {decide(machine, none, sock, family) for family in range(50)} == {refused[97]}
    assert decide(machine, private, pair, 1, 2) == ALLOW
    stream, datagram, raw, close_on_exec = 1, 2, 3, 0x80000
    assert decide(machine, none, pair, 1, stream | close_on_exec) == ALLOW
    assert decide(machine, none, pair, 1, datagram | close_on_exec) == refused[97]
    assert decide(machine, none, pair, 1, raw) == refused[97]
    assert decide(machine, none, pair, 2, stream) == refused[97]


@policies
def test_a_foreign_abi_is_killed(policy):
    assert decide("x86_64", policy, 0, arch=0x40000003) == KILL
    assert decide("aarch64", policy, 0, arch=0x40000028) == KILL
    assert decide("x86_64", policy, 0x40000001) == KILL
    assert decide("x86_64", policy, 0xFFFFFFFF) == KILL
    assert decide("x86_64", policy, 400) == REFUSE | errno.ENOSYS


@machines
@policies
def test_no_call_takes_long_to_decide(machine, policy):
    program = seccomp.program(machine, policy)
    assert len(program) < 300
    steps = [follow(program, number, arch=ARCHES[machine])[1] for number in range(1101)]
    assert max(steps) <= 16


def test_jumps_fit_a_byte_in_a_program_of_any_size():
    steps = [(2 * i, [seccomp._refuse(i % 4000)]) for i in range(1500)]
    program = seccomp._search(steps)
    assert len(program) <= 4096  # the kernel's limit
    assert all(0 <= yes <= 255 and 0 <= no <= 255 for _, yes, no, _ in program)
    load = (0x20, 0, 0, 0)
    for number in (0, 1, 511, 512, 1499, 1500, 2997, 2998, 5000):
        body = steps[min(number // 2, 1499)][1]
        assert follow([load, *program], number, arch=0)[0] == body[0][3], number


@policies
def test_the_container_form_decides_every_name_as_the_kernel_form_does(policy):
    profile = json.loads(json.dumps(seccomp.docker_profile(policy)))
    assert (profile["defaultAction"], profile["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", errno.ENOSYS)
    assert {entry["architecture"] for entry in profile["archMap"]} == {
        "SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64",
    }  # fmt: skip
    assert not any(entry["subArchitectures"] for entry in profile["archMap"])
    plain = {n: call for call in profile["syscalls"] if "args" not in call for n in call["names"]}
    conditional = {n for call in profile["syscalls"] if "args" in call for n in call["names"]}
    # libseccomp drops every condition of a call that has an entry without one
    assert not plain.keys() & conditional
    decisions = seccomp.decisions(policy)
    assert plain.keys() | conditional == decisions.keys()
    for name, call in plain.items():
        told = () if call["action"] == "SCMP_ACT_ALLOW" else call["errnoRet"]
        assert told == decisions[name], name
    for name in conditional:
        assert isinstance(decisions[name], tuple), name


@policies
@given(data=st.data())
def test_exactly_one_condition_of_the_container_form_fits(policy, data):
    ruled = {n: d for n, d in seccomp.decisions(policy).items() if not isinstance(d, int) and d}
    name = data.draw(st.sampled_from(sorted(ruled)))
    near = [0, *(value for rule in ruled[name] for value in rule.values)]
    word = st.integers(0, 2**64 - 1) | st.sampled_from(near).flatmap(
        lambda value: st.integers(0, 63).map(lambda bit: value ^ 1 << bit)
    )
    arguments = data.draw(st.lists(word | st.sampled_from(near), min_size=6, max_size=6))
    fitting = [
        call
        for call in seccomp.docker_profile(policy)["syscalls"]
        if call["names"] == [name]
        and all(arguments[a["index"]] & a["value"] == a["valueTwo"] for a in call["args"])
    ]
    (call,) = fitting
    told = ALLOW if call["action"] == "SCMP_ACT_ALLOW" else REFUSE | call["errnoRet"]
    assert told == expected(ruled[name], arguments)


def test_the_container_form_lets_the_runtime_start_the_program():
    """What runc and its Go runtime call between loading the filter and starting the program."""
    needed = (
        "read write close openat fstat newfstatat statfs fstatfs readlinkat getdents64 fcntl close_range "
        "execve execveat faccessat2 capget capset setuid setgid setgroups setresuid setresgid getpid gettid "
        "getppid prctl mmap munmap madvise futex nanosleep tgkill rt_sigaction rt_sigprocmask rt_sigreturn "
        "sigaltstack epoll_ctl epoll_pwait eventfd2 sched_yield sendmsg recvmsg exit_group"
    )
    decisions = seccomp.decisions(Policy(sockets="private", dumpable_may_change=True))
    assert [name for name in needed.split() if decisions[name] != ()] == []


@machines
@policies
def test_libseccomp_understands_the_container_form_as_meant(machine, policy):
    """Compile the profile with the library that container runtimes use, in their way, and compare."""
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError as error:
        pytest.skip(f"libseccomp is not installed: {error}")
    profile = json.loads(json.dumps(seccomp.docker_profile(policy)))
    theirs, unknown = compile_with(library, profile, machine)
    ours = seccomp.program(machine, policy)
    decisions = seccomp.decisions(policy)
    for number, name in numbers(machine).items():
        rules = decisions[name]
        values = [0, *(v for r in rules for v in r.values)] if isinstance(rules, tuple) else [0]
        near = {v ^ flip ^ high for v in values for flip in (0, 1, 2, 64, 1 << 31) for high in (0, 1 << 32)}
        for first in near:
            for second in near if len(values) > 1 else (0,):
                call = (number, (first, second))
                answer = follow(theirs, *call, arch=ARCHES[machine])[0]
                wanted = follow(ours, *call, arch=ARCHES[machine])[0]
                assert answer == (REFUSE | errno.ENOSYS if name in unknown else wanted), (name, call)
    assert len(unknown) < 20
    if machine == "x86_64":
        assert follow(theirs, 0x40000001, arch=ARCHES[machine])[0] in (0, KILL)
    assert follow(theirs, 0, arch=0x40000003)[0] in (0, KILL)


def compile_with(library, profile, machine) -> tuple[list[tuple[int, int, int, int]], set[str]]:
    """Return libseccomp's program, and the names that it does not know."""

    class Condition(ctypes.Structure):
        _fields_ = (
            ("argument", ctypes.c_uint),
            ("operator", ctypes.c_int),
            ("mask", ctypes.c_uint64),
            ("value", ctypes.c_uint64),
        )

    masked_equal, optimise, tree = 7, 8, 2
    library.seccomp_init.restype = ctypes.c_void_p
    errors = {"SCMP_ACT_ALLOW": lambda call: ALLOW, "SCMP_ACT_ERRNO": lambda call: REFUSE | call["errnoRet"]}
    default = REFUSE | profile["defaultErrnoRet"]
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(default)))
    try:
        for name, token in ARCHES.items():
            change = library.seccomp_arch_add if name == machine else library.seccomp_arch_remove
            change(context, ctypes.c_uint32(token))
        library.seccomp_attr_set(context, ctypes.c_int(optimise), ctypes.c_uint32(tree))
        unknown = set()
        for call in profile["syscalls"]:
            action = errors[call["action"]](call)
            conditions = [
                Condition(a["index"], masked_equal, a["value"], a["valueTwo"]) for a in call.get("args", [])
            ]
            for name in call["names"]:
                number = library.seccomp_syscall_resolve_name(name.encode())
                if number == -1:
                    unknown.add(name)
                elif action != default:  # which libseccomp would refuse to add, and runtimes leave out
                    array = (Condition * len(conditions))(*conditions)
                    added = library.seccomp_rule_add_array(
                        context, ctypes.c_uint32(action), number, len(conditions), array
                    )
                    assert added == 0, (name, added)
        with tempfile.TemporaryFile() as file:
            assert library.seccomp_export_bpf(context, file.fileno()) == 0
            file.seek(0)
            return list(struct.iter_unpack("<HBBI", file.read())), unknown
    finally:
        library.seccomp_release(context)


def test_bit_patterns_cover_all_other_values_once():
    values = (0b0010, 0b1100, 0b0011)
    patterns = list(seccomp._other_values(0b1111, values))
    for value in range(16):
        fits = sum(value & mask == bits for mask, bits in patterns)
        assert fits == (value not in values), value
    assert Rule(0, values, errno.EPERM).mask == 0xFFFFFFFF


def test_the_filter_is_quick_to_import_and_needs_the_standard_library_alone():
    program = (
        "import sys, novum.sandbox.kernel.seccomp\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(names - set(sys.stdlib_module_names) - {'novum', '__main__'}))\n"
        "print([name for name in ('subprocess', 'asyncio', 'json', 'pydantic') if name in sys.modules])"
    )
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{program}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"], done
