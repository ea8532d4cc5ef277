"""The error tree: each branch with the exit code of who must act."""

import pytest

from novum.core import errors


def subclasses(kind):
    return {kind} | {s for c in kind.__subclasses__() for s in subclasses(c)}


@pytest.mark.parametrize(
    ("branch", "code"),
    [
        (errors.UsageError, 2),
        (errors.ToolError, 1),
        (errors.InfrastructureError, 4),
        (errors.LimitExceededError, 3),
        (errors.EvidenceError, 5),
    ],
)
def test_a_branch_has_one_exit_code(branch, code):
    assert issubclass(branch, errors.NovumError)
    assert {kind.exit_code for kind in subclasses(branch)} == {code}


def test_the_tree_in_the_docstring_is_the_tree():
    drawn = {line.strip("│├└─ ").split()[0] for line in errors.__doc__.splitlines() if "Error" in line}
    defined = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.NovumError)
    }
    assert drawn == defined


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ({}, "bad"),
        ({"line": 3}, "line 3: bad"),
        ({"key": "a.b"}, "key 'a.b': bad"),
        ({"line": 3, "key": "a.b"}, "line 3, key 'a.b': bad"),
    ],
)
def test_a_goal_error_says_where(place, text):
    assert str(errors.GoalError("bad", **place)) == text
