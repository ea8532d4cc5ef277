"""Attestations last from one process to the next, for a while, and only where nothing has changed."""

import json
import os
import time

import pytest

from novum.sandbox.base import Attestation
from novum.sandbox.remembered import HOURS, Remembered, key_of

GOOD = Attestation("namespace", {"no_network": True}, seen={"no_network": "none"}, warnings=("old",))
BAD = Attestation("namespace", {"no_network": False})


@pytest.fixture
def kept(tmp_path):
    return Remembered(tmp_path / "deep" / "attestations.json")


def test_a_passed_attestation_is_found_again(kept):
    kept.put("key", GOOD)
    assert kept.find("key") == GOOD
    assert kept.find("another key") is None


def test_a_broken_attestation_is_not_kept(kept):
    kept.put("key", BAD)
    assert kept.find("key") is None


def test_a_forged_entry_that_did_not_pass_is_not_believed(kept):
    kept.put("key", GOOD)
    entries = json.loads(kept.path.read_text())
    entries["key"]["attestation"]["checks"] = {"no_network": False}
    kept.path.write_text(json.dumps(entries))
    assert kept.find("key") is None


@pytest.mark.parametrize("age_s", [HOURS * 3600 + 1, -10])
def test_an_old_or_future_attestation_counts_for_nothing(kept, age_s):
    kept.put("key", GOOD)
    entries = json.loads(kept.path.read_text())
    entries["key"]["at"] = time.time() - age_s
    kept.path.write_text(json.dumps(entries))
    assert kept.find("key") is None


def test_a_file_that_others_may_write_counts_for_nothing(kept):
    kept.put("key", GOOD)
    os.chmod(kept.path, 0o666)
    assert kept.find("key") is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"key": 1}', '{"key": {"at": 1e12}}', '{"key": {"at": null}}', '{"k": {"at": "x"}}'],
)
def test_damage_counts_for_nothing(kept, text):
    kept.put("key", GOOD)
    kept.path.write_text(text)
    assert kept.find("key") is None
    kept.put("key", GOOD)
    assert kept.find("key") == GOOD


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("x")
    Remembered(tmp_path / "file" / "attestations.json").put("key", GOOD)


def test_versions_settings_and_backend_are_part_of_the_key():
    keys = {
        key_of("docker", {"engine": "20"}, "unix:///a"),
        key_of("docker", {"engine": "25"}, "unix:///a"),
        key_of("docker", {"engine": "20"}, "unix:///b"),
        key_of("namespace", {"engine": "20"}, "unix:///a"),
    }
    assert len(keys) == 4
    assert key_of("docker", {}, None) == key_of("docker", {}, None)


@pytest.mark.sandbox
def test_the_next_process_does_not_probe_again(tmp_path, monkeypatch):
    from novum.sandbox import SandboxOptions, SandboxRequest, attest, open_sandbox

    options = SandboxOptions(remember_in=tmp_path / "attestations.json")
    with open_sandbox("namespace", options) as first:
        seen = first.attest()
    monkeypatch.setattr(attest, "attest", lambda backend: pytest.fail("it probed again"))
    with open_sandbox("namespace", options) as second:
        assert second.attest() == seen
        assert second.run(SandboxRequest("novum.sandbox.inside.probes:echo", {"value": 1})).value == 1
