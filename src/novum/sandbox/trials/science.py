"""Trials that honest work is left alone: golden numbers, files, texts, and the functional contract."""

import secrets
import sys
import tempfile
from pathlib import Path

from novum.core.calls import CallStatus
from novum.core.errors import UsageError
from novum.sandbox.attest import host_canaries
from novum.sandbox.base import Limits, Profile
from novum.sandbox.inside import golden
from novum.sandbox.trials.bench import ATTACKS, Bench, Trials, expect, expect_status

TRIALS = Trials()


@TRIALS.add(row=31)
def libraries_give_the_same_numbers_inside(bench: Bench) -> None:
    """numpy, scipy, rdkit, pymatgen, ase, Pillow and matplotlib give inside what they give outside."""
    profile = Profile(name="golden", modules=golden.MODULES)
    result = bench.ask("novum.sandbox.inside.golden:compute", profile=profile, limits=Limits(wall_s=240))
    expect_status(result, CallStatus.OK)
    outside = _compute_outside()
    expect(result.value == outside, (result.value, outside))


@TRIALS.add(row=33)
def escapes_of_restricted_python_gain_nothing(bench: Bench) -> None:
    """Class hierarchies, getattr, frames, ctypes and compiled code run, and find no secret."""
    with host_canaries() as host:
        got = bench.attack("escape_by_python", secret=str(host.secret))
        mark = host.mark
    expect(not [text for text in got if mark in text], got)


@TRIALS.add(row=34)
def ordinary_work_is_done(bench: Bench) -> None:
    """Files, programs, threads, exceptions, texts and limits do what their users expect."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        texts = {
            "plain.txt": b"one\ntwo\n",
            "utf8.txt": "Å→∞ 分子".encode(),
            "empty": b"",
            "binary": bytes(range(256)),
        }
        large = secrets.token_bytes(3 << 20)
        inputs = {}
        for name, data in {**texts, "deep/er/large.bin": large}.items():
            source = place / name.replace("/", "_")
            source.write_bytes(data)
            inputs[name] = source
        into = place / "into"
        into.mkdir()
        code = (
            "import os, pathlib, shutil\n"
            "assert sorted(os.listdir('in')) == ['binary', 'deep', 'empty', 'plain.txt', 'utf8.txt']\n"
            "shutil.copytree('in', 'out/all')\n"
            "try: open('in/missing')\nexcept FileNotFoundError: pass\nelse: raise SystemExit(1)\n"
            "try: open('/etc/hostname.novum', 'w')\nexcept OSError: pass\nelse: raise SystemExit(2)\n"
            "try: os.listdir('in/plain.txt')\nexcept NotADirectoryError: pass\nelse: raise SystemExit(3)\n"
            "try: open('out')\nexcept IsADirectoryError: pass\nelse: raise SystemExit(4)\n"
            "pathlib.Path('out/new folder').mkdir(); pathlib.Path('out/new folder/t.txt').write_text('é')\n"
            "import tempfile, threading, subprocess, sqlite3, multiprocessing\n"
            "with tempfile.TemporaryDirectory() as d: open(d + '/x', 'w').write('x')\n"
            "threads = [threading.Thread(target=lambda: None) for _ in range(4)]\n"
            "[t.start() for t in threads]; [t.join() for t in threads]\n"
            "said = subprocess.run(['sh', '-c', 'echo hi | tr h H'], capture_output=True, text=True)\n"
            "assert said.stdout == 'Hi\\n'\n"
            "db = sqlite3.connect('scratch.db'); db.execute('create table t (x)'); db.commit()\n"
            "reader, writer = multiprocessing.Pipe(); writer.send([1]); assert reader.recv() == [1]\n"
            "print(os.getcwd())\n"
        )
        result = bench.ask("run_program", arguments=[sys.executable, "-c", code], into=into, inputs=inputs)
        expect(result.status is CallStatus.OK and result.value["code"] == 0, result)
        expect(result.refused == (), result.refused)
        out = {file.name: file.path.read_bytes() for file in result.artifacts}
        expected = {f"all/{name}": data for name, data in {**texts, "deep/er/large.bin": large}.items()}
        expect(out == {**expected, "new folder/t.txt": "é".encode()}, sorted(out))
    failed = bench.ask("run_program", arguments=["sh", "-c", "echo to-err >&2; exit 7"])
    expect(failed.value == {"code": 7, "out": "", "err": "to-err\n"}, failed)
    absent = bench.ask("run_program", arguments=["no-such-program"])
    expect(absent.status is CallStatus.ERROR and "FileNotFoundError" in absent.message, absent)
    kept = bench.ask("run_program", arguments=["sh", "-c", "pwd; echo $HOME; whoami; id -u"])
    expect(kept.status is CallStatus.OK and kept.value["out"] != "", kept)
    late = bench.ask("run_program", arguments=["sleep", "15"], limits=Limits(wall_s=1))
    expect_status(late, CallStatus.TIMEOUT)
    expect(bench.ask(f"{ATTACKS}:make_files", directories=["."], name="mine").value == ["."], "scratch")


@TRIALS.add(row=34)
def bad_requests_are_the_callers_error(bench: Bench) -> None:
    """Limits, paths, input files, hosts and arguments that cannot be are refused before anything runs."""
    for bad in (
        {"limits": Limits(wall_s=0)},
        {"limits": Limits(memory_mb=-1)},
        {"profile": Profile(readable=("relative",))},
        {"profile": Profile(readable=("/etc",))},
        {"inputs": {"../up": Path(__file__)}},
        {"inputs": {"absent": Path("/no/such/file")}},
        {"inputs": {"directory": Path("/usr")}},
        {"into": Path("/no/such/directory")},
    ):
        try:
            result = bench.ask("echo", **bad)
        except UsageError:
            continue
        raise AssertionError(f"seen: {bad} gave {result}")


def _compute_outside() -> object:
    """Return the numbers as an ordinary process computes them, with one thread as inside."""
    import json
    import subprocess

    code = "import json; from novum.sandbox.inside.golden import compute; print(json.dumps(compute()))"
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    with tempfile.TemporaryDirectory() as home:
        environment = {**threads, "PATH": "/usr/bin:/bin", "HOME": home, "PYTHONPATH": ":".join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
        )
    return json.loads(done.stdout)
