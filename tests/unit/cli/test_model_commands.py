"""``novum model``: names in settings files, and servers that are started and stopped for real."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib

import pytest
from conftest import novum_command
from fake_engine import put_engine
from loopback import free_port

from novum.agents.models import reach
from novum.agents.models.engines.served import ServedModels
from novum.cli.model import starting
from novum.cli.model.settings_file import put_model
from novum.core.errors import SettingsError
from novum.core.model_entry import is_loopback

HERE = "http://127.0.0.1:9/v1"
FILE = """\
# my settings
workers = 2   # as the machine has

[grants]
"lab.lookup" = ["data.example.org"]  # ours

# the end
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The working folder, with a cache and programs of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    for variable in ("NOVUM_MODEL", "NOVUM_MODELS"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


@pytest.fixture
def weights(folder):
    """A folder that looks like weights."""
    place = folder / "weights"
    place.mkdir()
    (place / "model.safetensors").write_bytes(bytes(1000))
    return place


def model(*arguments: object):
    return novum_command("model", *arguments)


def test_a_model_is_added_used_and_removed_and_the_file_keeps_its_comments(folder):
    (folder / "novum.toml").write_text(FILE)
    assert (
        model("add", "a", HERE, "--model", "org/a", "--family", "intern-s1-mini", "--context", 4096).code == 0
    )
    assert (
        model("add", "b.2", "http://localhost:1/v1/", "--model", "b", "--key-variable", "LAB_KEY").code == 0
    )
    assert model("use", "a").code == 0
    text = (folder / "novum.toml").read_text()
    for line in FILE.splitlines():
        assert line in text
    written = tomllib.loads(text)
    assert written["model"] == "a"
    assert written["models"] == {
        "a": {"base_url": HERE, "model": "org/a", "family": "intern-s1-mini", "context_tokens": 4096},
        "b.2": {"base_url": "http://localhost:1/v1", "model": "b", "api_key_env": "LAB_KEY"},
    }
    assert model("remove", "a").code == 0
    assert model("remove", "b.2").code == 0
    left = (folder / "novum.toml").read_text()
    assert tomllib.loads(left) == {**tomllib.loads(FILE), "models": {}} or tomllib.loads(
        left
    ) == tomllib.loads(FILE)
    for line in FILE.splitlines():
        assert line in left


def test_the_users_own_file_is_written_on_request(folder):
    assert model("add", "a", HERE, "--model", "m", "--user").code == 0
    assert not (folder / "novum.toml").exists()
    assert [m["name"] for m in model("list", "--json").json["models"]] == ["a"]
    assert model("use", "a", "--user").code == 0
    assert model("list", "--json").json["default"] == "a"
    assert model("remove", "a").code == 0
    assert model("list", "--json").json == {"default": None, "models": []}


def test_a_default_that_another_source_overrides_is_said(monkeypatch):
    model("add", "a", HERE, "--model", "m")
    monkeypatch.setenv("NOVUM_MODEL", "other")
    assert "'other', set elsewhere, still wins" in model("use", "a").err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a", HERE, "--model", "m", "--key-variable", "sk-hunter2hunter2"), "not the key itself"),
        (("a", "http://ada:hunter2@127.0.0.1/v1", "--model", "m"), "holds no user, password or query"),
        (("a", "127.0.0.1:8000", "--model", "m"), "expected an address such as"),
        (("a b", HERE, "--model", "m"), "is no name for a model"),
        (("../a", HERE, "--model", "m"), "is no name for a model"),
        (("a", HERE, "--model", "m", "--engine", "nonsense"), "engine"),
        (("a", HERE, "--model", "m", "--family", "nonsense"), "nonsense"),
        (("a", HERE, "--model", "m", "--price-prompt", "-1"), "price_prompt"),
        (("a", HERE, "--model", "m", "--currency", "euros"), "currency"),
    ],
)
def test_what_cannot_be_added_is_refused_and_no_secret_repeated(folder, arguments, said):
    ended = model("add", *arguments)
    assert ended.code == 2
    assert said in ended.err
    assert "hunter2" not in ended.err + ended.out
    assert not (folder / "novum.toml").exists()


def test_a_name_is_not_taken_twice_by_accident():
    model("add", "a", HERE, "--model", "m")
    assert "--replace" in model("add", "a", HERE, "--model", "n").err
    assert model("add", "a", HERE, "--model", "n", "--replace").code == 0
    assert model("list", "--json").json["models"][0]["model"] == "n"


def test_a_name_that_is_not_there_offers_the_nearest():
    model("add", "intern", HERE, "--model", "m")
    for command in ("use", "remove"):
        ended = model(command, "intren")
        assert (ended.code, "did you mean 'intern'?" in ended.err) == (2, True)


def test_a_remote_server_is_marked(monkeypatch):
    asked = reach.reach
    nobody = reach.Reached(reach.State.SILENT)  # so that no name is looked up
    monkeypatch.setattr(
        reach, "reach", lambda url, **more: asked(url, **more) if is_loopback(url) else nobody
    )
    assert "a remote server" in model("add", "far", "https://llm.example.invalid/v1", "--model", "m").err
    assert "on this machine" in model("add", "near", HERE, "--model", "m").err
    listed = {m["name"]: m for m in model("list", "--json").json["models"]}
    assert (listed["far"]["remote"], listed["near"]["remote"]) == (True, False)
    assert listed["near"]["state"] == "does not answer"
    shown = model("list").out
    assert "remote" in next(line for line in shown.splitlines() if "far" in line)


def test_a_settings_file_that_is_not_toml_is_left_as_it_is(folder):
    (folder / "novum.toml").write_text("model = \n")
    with pytest.raises(SettingsError, match="cannot be read"):
        put_model(folder / "novum.toml", "a", {"base_url": HERE})
    (folder / "novum.toml").write_text('models = "x"\n')
    with pytest.raises(SettingsError, match="'models' is not a table"):
        put_model(folder / "novum.toml", "a", {"base_url": HERE})
    assert (folder / "novum.toml").read_text() == 'models = "x"\n'


def test_a_settings_file_behind_a_link_keeps_link_and_mode(folder):
    real = folder / "real.toml"
    real.write_text(FILE)
    real.chmod(0o600)
    (folder / "novum.toml").symlink_to(real)
    model("add", "a", HERE, "--model", "m")
    assert (folder / "novum.toml").is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    assert "a" in tomllib.loads(real.read_text())["models"]


def test_the_command_is_printed_and_nothing_started(folder):
    ended = model("serve", "intern-s1-mini", "--engine", "vllm", "--machine", "1x24")
    assert ended.code == 0
    assert ended.out.startswith("vllm serve internlm/Intern-S1-mini --host 127.0.0.1 --port 8000 ")
    assert "downloads the weights internlm/Intern-S1-mini, about 17 GB" in ended.err
    assert not (folder / "cache").exists()
    several = model("serve", "intern-s1-pro", "--engine", "sglang", "--machine", "2x8x141", "--head", "n0")
    assert several.out.splitlines()[0::2] == ["# node 0", "# node 1"]
    assert "--dist-init-addr n0:20000" in several.out
    document = model("serve", "intern-s1-mini", "--machine", "8x80", "--json", "--", "--dtype", "half").json
    assert document["commands"][0]["argv"][-2:] == ["--dtype", "half"]
    assert document["downloads"].startswith("the weights")


def test_without_a_gpu_one_is_told_what_fits():
    ended = model("serve", "intern-s1", "--engine", "vllm", "--machine", "0x16")
    assert (ended.code, "Here fits: intern-s1-mini-gguf" in ended.err) == (2, True)


@pytest.mark.parametrize("size", ["", "8", "8x", "x80", "axb", "0x8x80", "8x0", "1x2x3x4", "99999999x1"])
def test_a_machine_that_cannot_be_is_refused(size):
    ended = model("serve", "intern-s1-mini", "--machine", size)
    assert (ended.code, "is no machine" in ended.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nonsense",), "no model 'nonsense' is known to serve"),
        (("intern-s1-mini", "--engine", "nonsense"), "no engine 'nonsense'"),
        (("intern-s1-mini-gguf", "--engine", "vllm", "--machine", "8x80"), "not by vllm"),
        (("intern-s1-mini", "--train"), "--train is for"),
        (("tiny", "--weights", "x/y"), "is made here"),
        (("tiny", "--print", "--", "--flag"), "is made here"),
    ],
)
def test_what_cannot_be_served_is_refused(arguments, said):
    ended = model("serve", *arguments)
    assert ended.code == 2
    assert said in ended.err


def test_an_engine_that_is_not_installed_is_said(monkeypatch, folder):
    monkeypatch.setenv("PATH", str(folder / "bin"))
    ended = model("serve", "intern-s1-mini", "--engine", "lmdeploy")
    assert (ended.code, "pip install lmdeploy" in ended.err) == (2, True)
    ended = model("serve", "intern-s1-mini-gguf")
    assert "llama-server; or Ollama" in ended.err


def test_nothing_is_downloaded_without_being_allowed(folder):
    program = put_engine(folder / "bin", "llama-server", serves="intern-s1-mini-gguf")
    ended = model("serve", "intern-s1-mini-gguf", "--engine", "llama.cpp")
    assert ended.code == 2
    assert "would download the weights internlm/Intern-S1-mini-GGUF, about 9 GB; --yes lets it" in ended.err
    assert not program.with_suffix(".host").exists()


def gguf(folder):
    file = folder / "small.gguf"
    file.write_bytes(b"GGUF")
    return file


def test_a_server_is_started_made_known_and_stopped(folder):
    put_engine(folder / "bin", "llama-server", late_s=0.4, serves="mine", worker=True)
    port = free_port()
    given = ("serve", "mine", "--weights", gguf(folder), "--port", port, "--detach", "--json")
    code = "import sys; from novum.cli.main import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "model", *map(str, given)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["base_url"] == f"http://127.0.0.1:{port}/v1"
    (listed,) = model("list", "--json").json["models"]
    assert (listed["name"], listed["engine"], listed["model"], listed["state"]) == (
        "mine",
        "llama.cpp",
        "mine",
        "answers",
    )
    again = model(*given[:4], "--port", free_port(), "--detach")
    assert "runs already" in again.err
    assert "is taken" in model("serve", "other", *given[2:]).err
    stopped = model("stop", "mine")
    assert (stopped.code, "mine is stopped; it had to be killed" in stopped.err) == (0, True)
    assert model("list", "--json").json["models"][0]["state"] == "does not answer"
    assert model("stop", "mine").code == 2
    assert "nothing that novum started runs" in model("stop").err


def test_a_server_that_dies_is_told_with_its_log_and_not_made_known(folder):
    put_engine(folder / "bin", "llama-server", dies=1)
    ended = model("serve", "mine", "--weights", gguf(folder), "--port", free_port())
    assert ended.code == 4
    assert "CUDA out of memory" in ended.err
    assert model("list", "--json").json["models"] == []
    assert ServedModels(folder / "cache" / "novum" / "served").running() == []


def test_a_server_that_is_never_ready_is_given_up(folder):
    put_engine(folder / "bin", "llama-server", deaf=True)
    ended = model("serve", "mine", "--weights", gguf(folder), "--port", free_port(), "--timeout", 1)
    assert ended.code == 4
    assert "was not ready after" in ended.err


def test_the_name_of_another_server_is_not_overwritten(folder):
    put_engine(folder / "bin", "llama-server")
    model("add", "mine", "https://llm.example.invalid/v1", "--model", "m")
    ended = model("serve", "mine", "--weights", gguf(folder), "--port", free_port())
    assert (ended.code, "--as gives this one another name" in ended.err) == (2, True)


def serve_apart(folder, until: str) -> tuple[subprocess.Popen, object]:
    """Start `novum model serve mine` in a process of its own, and return it once it has said `until`."""
    code = "import sys; from novum.cli.main import main; main(sys.argv[1:])"
    arguments = ["model", "serve", "mine", "--weights", str(gguf(folder)), "--port", str(free_port())]
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE, text=True)
    said = ""
    assert process.stderr is not None
    while until not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    kept = ServedModels(folder / "cache" / "novum" / "served")
    deadline = time.monotonic() + 60
    while (started := kept.find("mine")) is None:
        assert time.monotonic() < deadline
    return process, started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_server_and_all_that_it_started(folder, number):
    put_engine(folder / "bin", "llama-server", serves="mine", worker=True)
    process, started = serve_apart(folder, "Ctrl-C stops it")
    process.send_signal(number)
    assert process.wait(60) == 0
    assert "mine is stopped; it had to be killed" in process.stderr.read()
    process.stderr.close()
    assert not started.is_alive()
    assert model("stop").err.strip() == "nothing that novum started runs"


def test_a_signal_while_it_loads_stops_it_too(folder):
    put_engine(folder / "bin", "llama-server", serves="mine", deaf=True)
    process, started = serve_apart(folder, "llama-server -m")
    process.send_signal(signal.SIGINT)
    assert process.wait(60) != 0
    assert "mine is stopped" in process.stderr.read()
    process.stderr.close()
    assert not started.is_alive()
    assert model("list", "--json").json["models"] == []


def test_a_server_whose_command_was_killed_can_still_be_stopped(folder):
    put_engine(folder / "bin", "llama-server", serves="mine")
    process, started = serve_apart(folder, "Ctrl-C stops it")
    process.kill()
    process.wait()
    process.stderr.close()
    assert started.is_alive()
    assert "mine is stopped" in model("stop", "mine").err
    assert not started.is_alive()


def test_a_server_that_ends_by_itself_ends_the_command(folder):
    put_engine(folder / "bin", "llama-server", serves="mine", leaves_s=3)
    ended = model("serve", "mine", "--weights", gguf(folder), "--port", free_port())
    assert ended.code == 4
    assert "segmentation fault" in ended.err


def test_waiting_is_told_now_and_then_where_nobody_looks(capsys, monkeypatch):
    monkeypatch.setattr(starting, "QUIET_S", 10.0)
    with starting.progress("vllm loads m") as on_wait:
        for second in range(25):
            on_wait(float(second), f"shard {second}")
    assert capsys.readouterr().err.splitlines() == [
        "vllm loads m, 10.0 s: shard 10",
        "vllm loads m, 20.0 s: shard 20",
    ]


@pytest.mark.parametrize("name", ["serve", "list"])
def test_help_loads_nothing_heavy(name):
    heavy = ("torch", "transformers", "litellm", "httpx", "chromadb", "rdkit", "tomlkit")
    code = (
        "import sys\nfrom novum.cli.main import main\n"
        f"try:\n    main(['model', {name!r}, '--help'])\nexcept SystemExit:\n    pass\n"
        f"sys.stderr.write(' '.join(m for m in {heavy!r} if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
