"""``novum tools run`` with a program from a file, the tables of a campaign, and files that come out."""

import shutil
from pathlib import Path

import pytest
from conftest import novum_command

import novum.sandbox
from novum.core.calls import CallStatus
from novum.core.digest import digest_bytes
from novum.sandbox.base import CollectedFile, SandboxResult
from novum.sandbox.fake import FakeSandbox

ANSWER = {"properties": {}, "details": {"printed": "81", "files": ["best.csv"]}}


class Leaving(FakeSandbox):
    """Answers, and leaves one file."""

    def run(self, request):
        self.requests.append(request)
        self.inputs = {name: path.read_bytes() for name, path in request.inputs.items()}
        target = request.collect_into / "best.csv"
        target.write_bytes(b"a\n1\n")
        kept = CollectedFile("best.csv", digest_bytes(b"a\n1\n"), 4, target)
        return SandboxResult(status=CallStatus.OK, value=ANSWER, backend="fake", artifacts=(kept,))


@pytest.fixture
def sandbox(monkeypatch):
    found = Leaving()
    monkeypatch.setattr(novum.sandbox, "open_sandbox", lambda name, options=None: found)
    return found


@pytest.fixture
def workspace(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "ws"))


def test_a_program_gets_the_tables_of_a_campaign_and_its_files_are_written(sandbox, workspace, tmp_path):
    program = tmp_path / "best.py"
    program.write_text("print(81)")
    ended = novum_command(
        "tools", "run", "analysis.python", f"code=@{program}", "--campaign", "demo", "-o", tmp_path / "out",
        "-w", workspace,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert "printed: 81" in ended.out
    assert (tmp_path / "out/best.csv").read_bytes() == b"a\n1\n"
    assert sandbox.requests[0].arguments["arguments"]["code"] == "print(81)"
    assert set(sandbox.inputs) == {"measurements.csv", "observations.csv", "predictions.csv"}
    assert sandbox.inputs["observations.csv"].startswith(b"candidate,label,")
    again = novum_command(
        "tools", "run", "analysis.python", f"code=@{program}", "-c", "demo", "-o", tmp_path / "out",
        "-w", workspace,
    )  # fmt: skip
    assert again.code == 2
    assert "best.csv' exists" in again.err


def test_code_may_be_given_as_it_is(sandbox, workspace):
    ended = novum_command("tools", "run", "analysis.python", "code=print('a=1')", "--json", "-w", workspace)
    assert ended.code == 0, ended.err
    assert ended.json["call"]["arguments"]["code"] == "print('a=1')"
    assert ended.json["properties"] == {}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("analysis.python", "code=@nowhere.py"), "'nowhere.py' cannot be read"),
        (("analysis.python", "code=1", "-c", "dmeo"), "did you mean 'demo'?"),
        (("chemistry.descriptors", "smiles=C", "-c", "demo"), "takes no files"),
        (("analysis.python", "code=1", "files={\"a.csv\": \"%s\"}" % ("0" * 64)), "no artifact"),
        (("analysis.python", "code="), "'novum tools show analysis.python'"),
    ],
)  # fmt: skip
def test_what_cannot_be_given_is_said(sandbox, workspace, words, said):
    ended = novum_command("tools", "run", *words, "-w", workspace)
    assert ended.code == 2
    assert said in ended.err


def test_files_of_the_machine_are_given_by_name(sandbox, workspace, tmp_path):
    table = tmp_path / "rates.csv"
    table.write_text("T [K],k [1/s]\n300,1\n310,2\n320,4\n")
    arguments = ("tools", "run", "analysis.fit_curve", "curve=linear", "x=T", "y=k", "-w", workspace)
    novum_command(*arguments, "--file", table)
    assert sandbox.inputs == {"rates.csv": table.read_bytes()}
    assert sandbox.requests[0].arguments["arguments"]["files"] == {
        "rates.csv": digest_bytes(table.read_bytes())
    }
    for more, said in (
        (("-f", table, "-f", table), "two files are called 'rates.csv'"),
        (("-f", tmp_path / "none.csv"), "cannot be read"),
    ):
        ended = novum_command(*arguments, *more)
        assert ended.code == 2
        assert said in ended.err
    ended = novum_command("tools", "run", "chemistry.descriptors", "smiles=C", "-f", table, "-w", workspace)
    assert ended.code == 2
    assert "takes no files" in ended.err
