"""Models in the settings: addresses, the names of keys, and which one is meant."""

import pytest
from pydantic import ValidationError

from novum.core.errors import NotFoundError, SettingsError
from novum.core.model_entry import ModelEntry, is_loopback
from novum.core.settings import Settings, load_key, load_settings

HERE = {"base_url": "http://127.0.0.1:8000/v1", "model": "m"}


@pytest.fixture(autouse=True)
def _no_settings_around(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for variable in ("NOVUM_MODEL", "NOVUM_MODELS"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-abcdefghijklmnop",
        "hf_AbCdEfGhIjKlMnOpQrStUv",
        "0123456789abcdef0123456789abcdef",
        "AKIAIOSFODNN7EXAMPLE",
        "MY KEY",
        "",
    ],
)
def test_a_key_in_place_of_a_variables_name_is_refused_and_not_repeated(key):
    with pytest.raises(ValidationError) as refused:
        ModelEntry(**HERE, api_key_env=key)
    assert "not the key itself" in str(refused.value)
    if key:
        assert key not in str(refused.value)


def test_a_key_in_a_settings_file_is_refused_and_not_repeated(tmp_path):
    (tmp_path / "novum.toml").write_text(
        '[models.a]\nbase_url = "http://127.0.0.1/v1"\nmodel = "m"\napi_key_env = "sk-verysecret"\n'
    )
    with pytest.raises(SettingsError, match=r"models\.a\.api_key_env.*not the key itself") as refused:
        load_settings()
    assert "verysecret" not in str(refused.value)


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "LAB_KEY_2", "TOKEN"])
def test_a_variables_name_is_taken(name):
    assert ModelEntry(**HERE, api_key_env=name).api_key_env == name


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:8000/v1",
        "ftp://127.0.0.1/v1",
        "file:///etc/passwd",
        "http://ada:hunter2@127.0.0.1/v1",
        "http://127.0.0.1:99999/v1",
        "http://127.0.0.1/v1?key=hunter2",
        "http:///v1",
        "http://host/v1\nX",
        "",
    ],
)
def test_what_is_no_plain_http_address_is_refused_and_not_repeated(address):
    with pytest.raises(ValidationError) as refused:
        ModelEntry(base_url=address, model="m")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "remote"),
    [
        ("http://127.0.0.1:8000/v1", False),
        ("http://127.8.0.9/v1", False),
        ("http://localhost:11434/v1", False),
        ("http://[::1]:30000/v1", False),
        ("http://0.0.0.0:8000/v1", True),
        ("http://10.0.0.4:8000/v1", True),
        ("http://gpu-node:8000/v1", True),
        ("https://127.0.0.1.example.org/v1", True),
        ("https://localhost.example.org/v1", True),
    ],
)
def test_all_but_loopback_is_remote(address, remote):
    assert ModelEntry(base_url=address, model="m").is_remote is remote
    assert is_loopback(address) is not remote


def test_the_working_folder_wins_over_the_users_file_key_by_key(tmp_path):
    user = tmp_path / "config" / "novum" / "novum.toml"
    user.parent.mkdir(parents=True)
    user.write_text('[models.a]\nbase_url = "http://127.0.0.1:1/v1"\nmodel = "theirs"\n')
    (tmp_path / "novum.toml").write_text('[models.a]\nmodel = "mine"\n')
    _, entry = load_settings().get_model("a")
    assert (entry.model, entry.base_url) == ("mine", "http://127.0.0.1:1/v1")


def test_the_model_that_is_meant():
    a, b = ModelEntry(**HERE), ModelEntry(base_url="http://localhost/v1", model="n")
    assert Settings(models={"a": a}).get_model() == ("a", a)
    assert Settings(models={"a": a, "b": b}, model="b").get_model() == ("b", b)
    assert Settings(models={"a": a, "b": b}, model="b").get_model("a") == ("a", a)
    with pytest.raises(NotFoundError, match="no model is set up"):
        Settings().get_model()
    with pytest.raises(NotFoundError, match="no model is the default"):
        Settings(models={"a": a, "b": b}).get_model()
    with pytest.raises(NotFoundError, match=r"no model 'c' in the settings \(there are: a, b\)"):
        Settings(models={"a": a, "b": b}).get_model("c")
    with pytest.raises(NotFoundError, match="no model 'gone'"):
        Settings(models={"a": a}, model="gone").get_model()


def test_a_key_is_read_from_its_variable_and_shown_nowhere(monkeypatch):
    assert load_key(ModelEntry(**HERE)) is None
    entry = ModelEntry(**HERE, api_key_env="LAB_KEY")
    monkeypatch.delenv("LAB_KEY", raising=False)
    with pytest.raises(SettingsError, match="LAB_KEY, which is to hold the model's key, is not set"):
        load_key(entry)
    monkeypatch.setenv("LAB_KEY", "  ")
    with pytest.raises(SettingsError, match="LAB_KEY"):
        load_key(entry)
    monkeypatch.setenv("LAB_KEY", " sk-verysecret\n")
    key = load_key(entry)
    assert key is not None
    assert key.get_secret_value() == "sk-verysecret"
    assert "verysecret" not in f"{key!r} {key} {entry!r}"
