"""The filter in the kernel: it lets scientific work be done and refuses what it says."""

import errno
import json
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec

import pytest

from novum.sandbox.kernel import linux, seccomp
from novum.sandbox.kernel.seccomp import Policy

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a filter of Linux")

POLICIES = {"private": Policy(sockets="private"), "none": Policy(sockets="none")}
policies = pytest.mark.parametrize("policy", POLICIES)

UNDER_THE_FILTER = """\
import os, sys
from novum.sandbox.kernel import linux
from novum.sandbox.kernel import seccomp
compiled = seccomp.prepare(seccomp.Policy(sockets=sys.argv[1]))
linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
seccomp.load(compiled)
os.execv(sys.executable, [sys.executable, "-c", sys.argv[2]])  # the start is under it as well
"""

KERNEL = """\
import ctypes, json
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def call(number, *arguments):
    words = [ctypes.c_long(number), *(ctypes.c_long(a) for a in (*arguments, 0, 0, 0, 0, 0, 0)[:6])]
    return 0 if libc.syscall(*words) >= 0 else ctypes.get_errno()
"""


def run(program: str, *, policy: str, timeout: float = 240) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", UNDER_THE_FILTER, policy, program],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


WORK = {
    "numpy": (
        "import numpy as n; a = n.random.default_rng(1).random((300, 300)) + 300 * n.eye(300); "
        "b = a @ n.ones(300); print(n.allclose(n.linalg.solve(a, b), 1))"
    ),
    "scipy": (
        "from scipy.optimize import minimize; r = minimize(lambda x: (x[0] - 3)**2, [0.]); "
        "print(abs(r.x[0] - 3) < 1e-4)"
    ),
    "rdkit": "from rdkit.Chem import CanonSmiles; print(CanonSmiles('OCC') == 'CCO')",
    "torch": (
        "import torch; torch.set_num_threads(2); x = torch.ones(512, 512, requires_grad=True); "
        "(x @ x).sum().backward(); print(float(x.grad[0, 0]) == 1024)"
    ),
    "pymatgen": (
        "from pymatgen.core import Lattice, Structure; "
        "places = [[0, 0, 0], [.5, .5, .5]]; "
        "s = Structure.from_spacegroup('Fm-3m', Lattice.cubic(5.64), ['Na', 'Cl'], places); "
        "print(len(s) == 8)"
    ),
    "ase": (
        "from ase.build import molecule; from ase.calculators.emt import EMT; m = molecule('N2'); "
        "m.calc = EMT(); print(m.get_potential_energy() < 5)"
    ),
    "pyscf": (
        "from pyscf import gto, scf; "
        "print(abs(scf.RHF(gto.M(atom='H 0 0 0; H 0 0 0.74', verbose=0)).kernel() + 1.1167) < 1e-3)"
    ),
    "tblite": (
        "import numpy as n; from tblite.interface import Calculator as C; "
        "c = C('GFN2-xTB', n.array([1, 1]), n.array([[0., 0, 0], [0, 0, 1.4]])); c.set('verbosity', 0); "
        "print(-1.1 < c.singlepoint().get('energy') < -0.9)"
    ),
    "pyarrow": (
        "import pyarrow as pa, pyarrow.parquet as pq, tempfile, os; "
        "p = os.path.join(tempfile.mkdtemp(), 't.parquet'); "
        "pq.write_table(pa.table({'x': list(range(999))}), p); "
        "print(pq.read_table(p).num_rows == 999); os.remove(p); os.rmdir(os.path.dirname(p))"
    ),
    "matplotlib": (
        "import matplotlib; matplotlib.use('Agg'); import matplotlib.pyplot as p, io; p.plot([1, 2]); "
        "f = io.BytesIO(); p.savefig(f); print(f.getvalue()[1:4] == b'PNG')"
    ),
    "subprocess": (
        "import subprocess as s; "
        "print(s.run('echo a | tr a b', shell=True, capture_output=True).stdout == b'b\\n')"
    ),
    "threading": (
        "import threading as t; d = []; ts = [t.Thread(target=d.append, args=(i,)) for i in range(20)]; "
        "[x.start() for x in ts]; [x.join() for x in ts]; print(len(d) == 20)"
    ),
    "sqlite3": (
        "import sqlite3, tempfile, pathlib\n"
        "with tempfile.TemporaryDirectory() as d:\n"
        " with sqlite3.connect(pathlib.Path(d, 'x')) as c:\n"
        "  c.execute('pragma journal_mode=wal'); c.execute('create table t(x)')\n"
        "  c.execute('insert into t values (7)')\n"
        "  c.commit(); print(c.execute('select x from t').fetchall() == [(7,)])\n"
    ),
    "asyncio": (
        "import asyncio\nasync def main():\n"
        " p = await asyncio.create_subprocess_exec('echo', 'hello', stdout=-1)\n"
        " out, _ = await p.communicate(); await asyncio.sleep(0.01)\n"
        " return out == b'hello\\n' and await asyncio.to_thread(lambda: True)\n"
        "print(asyncio.run(main()))"
    ),
    "multiprocessing": (
        "import multiprocessing as m\nc = m.get_context('spawn')\n"
        "with c.Pool(2) as p: print(p.map(abs, [-1, -2]) == [1, 2])"
    ),
    "shutil": (
        "import shutil, tempfile, os, mmap\n"
        "with tempfile.TemporaryDirectory() as d, tempfile.TemporaryFile() as f:\n"
        " f.write(b'x' * 9999); f.flush(); mmap.mmap(f.fileno(), 0).close()\n"
        " open(d + '/a', 'wb').write(b'x' * 99999); shutil.copy2(d + '/a', d + '/b'); os.mkfifo(d + '/c')\n"
        " shutil.copytree(d, d + '/e', ignore=shutil.ignore_patterns('c', 'e'))\n"
        " print(os.path.getsize(d + '/e/b') == 99999)"
    ),
    "ctypes": ("import ctypes; print(ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1)(2) == 3)"),
}


@pytest.mark.slow
@policies
@pytest.mark.parametrize("library", WORK)
def test_work_gets_done(library, policy):
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    done = run(WORK[library], policy=policy)
    assert (done.returncode, done.stdout.split()) == (0, ["True"]), done
    assert "not permitted" not in done.stderr


def test_the_network_is_there_when_it_is_private_and_not_when_it_is_not():
    program = (
        "import socket, threading\n"
        "def answer(s): s.accept()[0].sendall(b'True')\n"
        "with socket.create_server(('127.0.0.1', 0)) as s:\n"
        " threading.Thread(target=answer, args=(s,), daemon=True).start()\n"
        " print(socket.create_connection(s.getsockname()).recv(9).decode())"
    )
    assert run(program, policy="private").stdout == "True\n"
    assert "Address family not supported" in run(program, policy="none").stderr


def test_a_pair_of_sockets_reaches_no_socket_of_the_host(tmp_path):
    """A datagram socket of a pair can send to any path; the private network shows that it does."""
    path = str(tmp_path / "s")
    program = (
        "import socket\nleft, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_{kind})\n"
        f"left.sendto(b'out', {path!r})"
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as host:
        host.bind(path)
        host.setblocking(False)
        for kind in ("DGRAM", "RAW", "STREAM", "SEQPACKET"):
            run(program.replace("{kind}", kind), policy="none")
            with pytest.raises(BlockingIOError):
                host.recv(9)
        assert run(program.replace("{kind}", "DGRAM"), policy="private").returncode == 0
        assert host.recv(9) == b"out"


@policies
def test_each_refused_call_answers_its_errno(policy):
    refused = seccomp.refused(linux.machine(), POLICIES[policy])
    program = (
        KERNEL + f"print(json.dumps({{n: call(x) for n, x in {[(n, x) for n, (x, _) in refused.items()]}}}))"
    )
    done = run(program, policy=policy)
    assert json.loads(done.stdout) == {name: error for name, (_, error) in refused.items()}, done.stderr


@policies
def test_numbers_after_the_review_answer_that_there_is_no_such_call(policy):
    done = run(KERNEL + "print(json.dumps([call(n) for n in range(467, 1100)]))", policy=policy)
    assert set(json.loads(done.stdout)) == {errno.ENOSYS}, done.stderr


@policies
def test_arguments_are_seen_by_the_kernel(policy):
    of = seccomp.numbers(linux.machine())
    calls = {
        "a new user namespace": ("clone", 0x10000000 | 17),
        "typing into a terminal": ("ioctl", 0, 0x5412),
        "typing, with a high bit": ("ioctl", 0, 0x5412 | 1 << 32),
        "hiding": ("prctl", 4, 0),
        "no random addresses": ("personality", 0x40000),
        "asking for the personality": ("personality", 0xFFFFFFFF),
        "netlink": ("socket", 16, 3, 0),
        "internet": ("socket", 2, 1, 0),
        "a pair of another family": ("socketpair", 30, 1, 0),
        "a pair of datagram sockets": ("socketpair", 1, 2, 0, "pair"),
        "a pair of stream sockets": ("socketpair", 1, 1, 0, "pair"),
    }
    words = {what: (of[name], *arguments) for what, (name, *arguments) in calls.items()}
    program = KERNEL + (
        "pair = ctypes.addressof((ctypes.c_int * 2)())\n"
        f"words = {words}\n"
        "fill = lambda a: [pair if x == 'pair' else x for x in a]\n"
        "print(json.dumps({what: call(*fill(a)) for what, a in words.items()}))"
    )
    done = run(program, policy=policy)
    private = policy == "private"
    assert json.loads(done.stdout) == {
        "a new user namespace": errno.EPERM,
        "typing into a terminal": errno.EPERM,
        "typing, with a high bit": errno.EPERM,
        "hiding": errno.EPERM,
        "no random addresses": errno.EPERM,
        "asking for the personality": 0,
        "netlink": errno.EAFNOSUPPORT,
        "internet": 0 if private else errno.EAFNOSUPPORT,
        "a pair of another family": errno.EAFNOSUPPORT,
        "a pair of datagram sockets": 0 if private else errno.EAFNOSUPPORT,
        "a pair of stream sockets": 0,
    }, done.stderr


def test_without_the_filter_the_same_calls_are_answered_otherwise():
    """Positive control: it is the filter that refuses, not the kernel."""
    of = seccomp.numbers(linux.machine())
    program = KERNEL + (
        f"print(json.dumps([call({of['memfd_create']}, ctypes.addressof(ctypes.c_char_p(b'x'))), "
        f"call({of['mq_getsetattr']}, -1), call({of['socket']}, 16, 3, 0), call({of['get_mempolicy']}), "
        f"call({of['personality']}, 0x40000)]))"
    )
    answers = {}
    for name, command in {
        "free": ["-c", program],
        "filtered": ["-c", UNDER_THE_FILTER, "none", program],
    }.items():
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
        answers[name] = json.loads(done.stdout)
    assert answers["filtered"] == [errno.ENOSYS, errno.ENOSYS, errno.EAFNOSUPPORT, errno.EPERM, errno.EPERM]
    assert all(free != filtered for free, filtered in zip(*answers.values(), strict=True)), answers


@pytest.mark.skipif(sys.platform != "linux" or linux.machine() != "x86_64", reason="an ABI of x86-64")
def test_foreign_calls_kill():
    for program in (
        KERNEL + "call(0x40000000 + 39)",
        "from novum.sandbox.inside.probes import end; end('forbidden-abi')",
    ):
        assert run(program, policy="private").returncode == -signal.SIGSYS, program
