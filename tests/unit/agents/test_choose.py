import subprocess
import sys

import pytest

from novum.agents.choose import PLANNERS, open_planner
from novum.agents.models.scripted import ScriptedModel
from novum.core.errors import UsageError


@pytest.mark.parametrize("name", PLANNERS)
def test_planners_open_by_name(name: str) -> None:
    assert open_planner(name).name == name


def test_a_misspelt_planner_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'optimizer'"):
        open_planner("optimiser")
    with pytest.raises(UsageError, match="there are 'optimizer', 'random'"):
        open_planner("zzz")


def test_the_scientist_opens_with_a_model_and_says_what_it_lacks_without() -> None:
    assert open_planner("scientist", model=ScriptedModel([])).name == "scientist"
    with pytest.raises(UsageError, match="novum model add"):
        open_planner("scientist")
    with pytest.raises(UsageError, match="did you mean 'scientist'"):
        open_planner("scientists")


def test_the_interface_loads_nothing_heavy() -> None:
    code = (
        "import sys, novum.agents.base, novum.agents.choose;"
        "novum.agents.choose.open_planner('optimizer');"
        "print([m for m in ('rdkit', 'scipy', 'torch', 'pint', 'litellm', 'httpx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
