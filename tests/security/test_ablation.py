"""A layer is taken away, and the trial that should notice does: neither trials nor layers are for show."""

import os

import pytest

from novum.sandbox.ablation import AblatedSandbox, Layer
from novum.sandbox.trials import HOSTILE, run_trials
from novum.sandbox.trials.bench import Bench

pytestmark = pytest.mark.sandbox

TRIALS = {trial.name: trial for trial in HOSTILE}
NOTICED_BY = {
    Layer.SECCOMP: "dangerous_system_calls_are_refused",
    Layer.NETWORK: "there_is_no_way_out",
    Layer.PROC_MASKS: "kernel_files_are_masked",
    Layer.RLIMITS: "the_disk_is_not_filled",
}
if os.geteuid() == 0:
    NOTICED_BY[Layer.IDENTITY] = "there_is_no_privilege_to_be_had"
else:
    NOTICED_BY[Layer.CAPABILITIES] = "there_is_no_privilege_to_be_had"


def broken(layers, name):
    bench = Bench("ablated", make=lambda: AblatedSandbox(*layers))
    try:
        return [verdict.kept for verdict in run_trials(bench, [TRIALS[name]])] == [False]
    finally:
        bench.close()


@pytest.mark.parametrize(("layer", "name"), NOTICED_BY.items(), ids=lambda value: str(value))
def test_a_missing_layer_is_noticed(layer, name):
    assert broken([layer], name)
    assert not broken([], name)


def test_memory_is_held_by_either_of_two_layers():
    name = "memory_of_every_kind_is_held"
    assert not broken([Layer.CGROUP], name)
    if os.geteuid() == 0:
        assert not broken([Layer.WATCHDOG], name)


def test_an_ablated_sandbox_never_passes():
    with AblatedSandbox(Layer.SECCOMP) as sandbox:
        assert not sandbox.attest().passed
        assert "seccomp" in sandbox.attest().seen["whole"]
