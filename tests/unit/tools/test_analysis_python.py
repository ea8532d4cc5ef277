"""`analysis.python`: what code leaves, and how its mistakes come back."""

import pytest

from novum.core.calls import ToolCall
from novum.core.errors import ToolArgumentError, ToolFailedError
from novum.memory.artifacts import Artifacts
from novum.sandbox.fake import FakeSandbox
from novum.tools.analysis.python import LONGEST_PRINTED, PNG, python
from novum.tools.base import Properties, ToolDefinitionError, tool
from novum.tools.files import files_of, files_parameter, written_parameters
from novum.tools.registry import Registry
from novum.tools.runner import Runner

SPEC = python.spec


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The folders that a sandbox lays out; the code of these tests is our own."""
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("MPLBACKEND", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, "")
    return tmp_path


def left(place):
    return sorted(p.name for p in (place / "out").iterdir())


def test_code_reads_tables_and_leaves_tables_figures_and_words(place):
    (place / "in/data.csv").write_text("x,y\n1,2\n3,6\n")
    found = python(
        "import numpy as np, pandas as pd, matplotlib.pyplot as plt\n"
        "from scipy import stats\n"
        "data = pd.read_csv('in/data.csv')\n"
        "print('slope', stats.linregress(data.x, data.y).slope)\n"
        "data.describe().to_csv('out/summary.csv')\n"
        "data.to_parquet('out/data.parquet')\n"
        "np.savez('out/data.npz', x=data.x)\n"
        "plt.plot(data.x, data.y)\n"
    )
    assert found.details["printed"] == "slope 2.0\n"
    assert (
        left(place) == found.details["files"] == ["data.npz", "data.parquet", "figure-1.png", "summary.csv"]
    )
    assert (place / "out/figure-1.png").read_bytes().startswith(PNG)
    assert found.warnings == ()


def test_nothing_that_it_gives_is_a_property():
    assert SPEC.properties == ()
    assert "analysis.python" not in {s.name for specs in Registry.load().properties().values() for s in specs}


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("a = 1\nb = a / 0", "ZeroDivisionError: division by zero in line 2: b = a / 0"),
        ("print('so')\nassert 0, 'no'", "AssertionError: no in line 2: assert 0, 'no'; it had printed: so"),
        ("def f(:", "this is not Python: SyntaxError: invalid syntax in line 1: def f(:"),
        ("import sys\nsys.exit(3)", "the code ended itself with 3"),
        ("x = '\\0'\x00", "this is not Python: SyntaxError"),
        ("import json\njson.loads('{')", "JSONDecodeError: Expecting property name"),
        ("raise Exception('a' * 10_000)", "Exception: aaa"),
    ],
)  # fmt: skip
def test_a_mistake_comes_back_as_text_with_its_line(place, code, message):
    with pytest.raises(ToolFailedError) as failed:
        python(code)
    assert str(failed.value).startswith(message)
    assert len(str(failed.value)) < 2000


def test_code_that_ends_itself_in_order_is_done(place):
    assert python("print(1)\nimport sys\nsys.exit()").details["printed"] == "1\n"


def test_what_is_printed_is_cut_and_marked(place):
    said = python("import sys\nfor i in range(100_000): print('na' * 50)\nprint('x', file=sys.stderr)")
    assert len(said.details["printed"]) < LONGEST_PRINTED + 60
    assert said.details["printed"].endswith("more characters are cut]")


def test_what_is_neither_table_nor_figure_is_left_out_and_said(place):
    found = python(
        "import os\n"
        "from pathlib import Path\n"
        "Path('out/run.sh').write_text('echo')\n"
        "Path('out/not.png').write_text('<svg/>')\n"
        "os.makedirs('out/deep/er')\n"
        "Path('out/deep/er/a.csv').write_text('1')\n"
        "os.symlink('/etc/passwd', 'out/link.csv')\n"
        "Path('out/ok.json').write_text('{}')\n"
    )
    assert left(place) == found.details["files"] == ["ok.json"]
    assert len(found.warnings) == 4
    assert "file not.png was left out: it is no PNG" in found.warnings
    assert "file link.csv was left out: it is no plain file" in found.warnings


def test_without_a_sandbox_nothing_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ToolFailedError, match="this is none"):
        python(f"open({str(tmp_path / 'trace')!r}, 'w')")
    assert not (tmp_path / "trace").exists()


def runner(tmp_path, *, artifacts=True):
    sandbox = FakeSandbox(
        {"novum.tools.worker:call": lambda **_: {"properties": {}, "details": {"printed": "1"}}}
    )
    store = Artifacts(tmp_path / "artifacts") if artifacts else None
    return Runner(Registry([python]), sandbox, artifacts=store), sandbox, store


def call(**files):
    return ToolCall(tool="analysis.python", arguments={"code": "print(1)", "files": files})


def test_files_are_named_by_their_hash_and_put_in(tmp_path):
    run, sandbox, store = runner(tmp_path)
    kept = store.put(b"x\n1\n", "x.csv")
    other = store.put(b"x\n2\n", "x.csv")
    one = run.run(call(**{"x.csv": kept.sha256}))
    assert one.ok
    assert [*sandbox.requests[0].inputs] == ["x.csv"]
    assert one.key != run.run(call(**{"x.csv": other.sha256})).key


@pytest.mark.parametrize("name", ["../x.csv", "/etc/passwd", "a/b.csv", ".hidden.csv", "x", "x.csv\n"])
def test_a_file_has_a_plain_name(tmp_path, name):
    run, _, store = runner(tmp_path)
    with pytest.raises(ToolArgumentError):
        run.run(call(**{name: store.put(b"1", "x.csv").sha256}))


def test_a_file_that_is_not_there_is_an_argument_that_does_not_fit(tmp_path):
    run, sandbox, _ = runner(tmp_path)
    with pytest.raises(ToolArgumentError, match="no artifact"):
        run.run(call(**{"x.csv": "0" * 64}))
    bare, _, _ = runner(tmp_path, artifacts=False)
    with pytest.raises(ToolArgumentError, match="no artifacts here"):
        bare.run(call(**{"x.csv": "0" * 64}))
    assert sandbox.requests == []


def test_its_schema_says_what_is_code_and_what_are_files():
    assert written_parameters(SPEC) == {"code"}
    assert files_parameter(SPEC) == "files"
    assert files_of(SPEC, {"code": "1", "files": {"a.csv": "0" * 64}}) == {"a.csv": "0" * 64}
    assert files_of(SPEC, {"code": "1"}) == {}


def test_a_tool_without_a_property_has_to_say_so():
    class Empty(Properties):
        pass

    with pytest.raises(ToolDefinitionError, match="names no property"):

        @tool(name="lab.empty", version="1", method="none")
        def empty() -> Empty:
            """Give nothing."""
            return Empty()
