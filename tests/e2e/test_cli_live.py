"""The installed command at a terminal and in a pipe: live display, signals, going on."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pexpect
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]

NOVUM = str(Path(sys.executable).with_name("novum"))
GOAL = "maximise qed; logp between 1 and 3"
RUN = ("run", GOAL, "--experiments", "12", "--batch", "3", "--seed", "3", "--name", "live")


def surroundings() -> Mapping[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("NOVUM_")}
    return {**kept, "NOVUM_EMBEDDER": "hashing", "TERM": "xterm-256color"}


def at_terminal(*arguments: str, cwd: Path) -> pexpect.spawn:
    return pexpect.spawn(
        NOVUM,
        list(arguments),
        cwd=str(cwd),
        env=dict(surroundings()),
        dimensions=(40, 140),
        encoding="utf-8",
        timeout=60,
    )


def in_pipe(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [NOVUM, *arguments], cwd=cwd, env=surroundings(), capture_output=True, text=True, timeout=120
    )


def test_ctrl_c_stops_in_order_and_resume_ends_like_an_uninterrupted_run(tmp_path: Path) -> None:
    child = at_terminal(*RUN, cwd=tmp_path)
    child.expect("iteration 1")
    child.expect("best so far")
    child.sendintr()
    child.expect("stopped in order; go on with novum resume live")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130

    resumed = in_pipe("resume", "live", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert "C001" in resumed.stdout
    whole = in_pipe(*RUN, "-w", "other", "-q", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    decisions = [
        json.loads(in_pipe("verify", "live", "--json", "--no-replay", "-w", ws, cwd=tmp_path).stdout)[
            "decisions"
        ]
        for ws in (".novum", "other")
    ]
    assert decisions[0] == decisions[1]


def test_live_display_shows_predictions_results_and_budget(tmp_path: Path) -> None:
    child = at_terminal(*RUN[:2], "-n", "4", "--batch", "2", cwd=tmp_path)
    child.expect(r"qed 0\.\d+ ± 0\.\d+")
    child.expect("of 4 experiments")
    child.expect("supported")
    child.expect("C001")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_person_approves_at_the_terminal(tmp_path: Path) -> None:
    child = at_terminal(*RUN[:2], "-n", "2", "--batch", "2", "--approve", "--name", "a", cwd=tmp_path)
    child.expect("Run these?")
    child.sendline("E009")
    child.expect("is not what is asked about")
    child.expect("Run these?")
    child.sendline("y")
    child.expect("C001")
    child.expect(pexpect.EOF)
    gate = json.loads(in_pipe("show", "a", "gate/0", "--json", cwd=tmp_path).stdout)["event"]
    assert gate["allowed"] == ["E001", "E002"]
    assert gate["by"] != "budget"


def test_sigterm_stops_in_order(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [NOVUM, *RUN, "--json"], cwd=tmp_path, env=surroundings(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["type"] == "experiment_finished":
            break
    process.send_signal(signal.SIGTERM)
    rest = process.stdout.read().splitlines()
    process.stdout.close()
    assert process.wait(timeout=30) == 130
    assert json.loads(rest[-1])["type"] == "interrupted"


def test_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        f"'{NOVUM}' run '{GOAL}' -n 4 --json | head -n 1",
        shell=True,
        cwd=tmp_path,
        env=surroundings(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert json.loads(done.stdout)["type"] == "campaign_started"
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_output_in_a_pipe_has_no_colours(tmp_path: Path) -> None:
    done = in_pipe(*RUN[:2], "-n", "2", "--batch", "2", cwd=tmp_path)
    assert "\x1b" not in done.stdout
    assert done.returncode == 0
