"""The command line, run in this process, over workspaces in temporary folders."""

import io
import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from known_items import items

import novum.sandbox
from novum.cli.main import main
from novum.knowledge_base import KnowledgeBase
from novum.sandbox.fake import FakeSandbox

POOL = """
title: Best of a pool
objectives:
  - maximise yield in % using pool
space:
  kind: pool
  file: pool.csv
  id: run
budget: {experiments: 6, batch: 3}
"""

MANUAL = """
objectives: [maximise yield in % using manual]
space:
  kind: parameters
  parameters:
    temperature: {low: 20, high: 80, unit: degC}
    solvent: {options: [water, ethanol]}
budget: {experiments: 4, batch: 2}
"""


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def told(self) -> Any:
        return json.loads(self.err)


def novum_command(*arguments: object, stdin: str | bytes = "") -> Ended:
    """Run a command in this process and return how it ended."""
    data = stdin if isinstance(stdin, bytes) else stdin.encode()
    streams = {
        "stdin": io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"),
        "stdout": io.TextIOWrapper(io.BytesIO(), encoding="utf-8"),
        "stderr": io.TextIOWrapper(io.BytesIO(), encoding="utf-8"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, stream in streams.items():
            patch.setattr(sys, name, stream)
        with pytest.raises(SystemExit) as left:
            main([str(a) for a in arguments])
        for name in ("stdout", "stderr"):
            streams[name].flush()
    out, err = (streams[n].buffer.getvalue().decode() for n in ("stdout", "stderr"))
    return Ended(int(left.value.code or 0), out, err)


def on_terminal(*arguments: object, until: str = "", answer: str = "") -> Ended:
    """Run a command in a process of its own, on a terminal, and answer once it has said `until`."""
    mine, its = pty.openpty()
    code = f"from novum.cli.main import main\nmain({[str(a) for a in arguments]!r})"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=its, stdout=its, stderr=its)
    os.close(its)
    said = b""
    try:
        while chunk := os.read(mine, 4096):
            said += chunk
            if answer and until.encode() in said:
                os.write(mine, f"{answer}\n".encode())
                answer = ""
    except OSError:  # the other end has closed
        pass
    os.close(mine)
    return Ended(process.wait(), said.decode(), "")


@contextmanager
def surroundings(config: Path) -> Iterator[None]:
    """Replace what the commands would find around them, for as long as it is open and no longer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(novum.sandbox, "open_sandbox", lambda name, options=None: FakeSandbox(), raising=False)
        patch.setenv("NOVUM_EMBEDDER", "hashing")
        patch.setenv("COLUMNS", "80")
        patch.setenv("XDG_CONFIG_HOME", str(config))
        patch.delenv("NOVUM_WORKSPACE", raising=False)
        yield


@pytest.fixture(autouse=True)
def _surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with surroundings(tmp_path_factory.mktemp("config")):
        yield


def write_pool(folder: Path) -> Path:
    rows = [f"R{i:02d},{10 * i},{'AB'[i % 2]},{100 - (i - 7) ** 2}" for i in range(12)]
    (folder / "pool.csv").write_text("\n".join(["run,heat,base,yield", *rows]) + "\n")
    goal = folder / "pool.yaml"
    goal.write_text(POOL)
    return goal


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    return write_pool(tmp_path)


@pytest.fixture
def manual(tmp_path: Path) -> Path:
    goal = tmp_path / "manual.yaml"
    goal.write_text(MANUAL)
    return goal


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the finished campaign "demo" and its control arm; for reading only."""
    folder = tmp_path_factory.mktemp("finished")
    with surroundings(tmp_path_factory.mktemp("config")):
        ended = novum_command(
            "run",
            write_pool(folder),
            "--name",
            "demo",
            "--control",
            "random",
            "-w",
            folder / "ws",
            "--seed",
            1,
        )
    assert ended.code == 0, ended.err
    return folder / "ws"


@pytest.fixture(scope="session")
def _known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("known") / "ws"
    with KnowledgeBase(folder / "knowledge", embedder="hashing") as knowledge:
        knowledge.record(items().values())
    return folder


@pytest.fixture
def known(_known: Path, tmp_path: Path) -> Path:
    """A workspace with those items, for this test alone."""
    return Path(shutil.copytree(_known, tmp_path / "ws"))


@pytest.fixture
def kb(known: Path) -> Callable[..., Ended]:
    """Runs ``novum kb`` in that workspace."""
    return lambda *arguments: novum_command("kb", *arguments, "-w", known)
