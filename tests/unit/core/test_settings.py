"""Settings: argument > environment > novum.toml > user file > default, and nothing unknown."""

import pytest

from novum.core.errors import SettingsError
from novum.core.settings import Settings, load_settings, user_file


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in Settings.model_fields:
        monkeypatch.delenv(f"NOVUM_{name.upper()}", raising=False)
    return tmp_path


def test_each_source_wins_over_the_next(nowhere, monkeypatch):
    assert load_settings().embedder == "auto"
    user_file().parent.mkdir(parents=True)
    user_file().write_text('embedder = "user"\nplanner = "user"\nworkspace = "user"\n')
    assert load_settings().embedder == "user"
    (nowhere / "novum.toml").write_text('embedder = "folder"\nplanner = "folder"\n')
    assert load_settings().embedder == "folder"
    monkeypatch.setenv("NOVUM_EMBEDDER", "environment")
    assert load_settings().embedder == "environment"
    found = load_settings(embedder="argument", planner=None)
    assert (found.embedder, found.planner, str(found.workspace)) == ("argument", "folder", "user")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"workers": 0}, "setting 'workers'"),
        ({"workers": "many"}, "setting 'workers'"),
        ({"sandbox": "none"}, "setting 'sandbox'"),
        ({"wrokers": 2}, "setting 'wrokers'"),
    ],
)
def test_a_bad_argument_is_named_with_the_settings_that_are(given, said):
    with pytest.raises(SettingsError, match=said) as caught:
        load_settings(**given)
    assert "workspace, sandbox" in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["workers = 0\n", "wrokers = 2\n", "workers = \n", "[[["])
def test_a_bad_file_is_a_settings_error(nowhere, text):
    (nowhere / "novum.toml").write_text(text)
    with pytest.raises(SettingsError):
        load_settings()


def test_a_bad_variable_is_a_settings_error(monkeypatch):
    monkeypatch.setenv("NOVUM_WORKERS", "many")
    with pytest.raises(SettingsError, match="setting 'workers'"):
        load_settings()
