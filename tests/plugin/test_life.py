"""Create, update, replace and delete, of local and of remote commands alike."""

from __future__ import annotations

import pytest

from tests.plugin.engine import Resource, Stack
from tests.plugin.pair import Pair


def says(word: str) -> str:
    """A command that logs a word and prints it."""
    return f"echo {word} | tee -a {{log}}"


def test_create_then_nothing_then_delete(stack: Stack, both: Pair) -> None:
    wanted = both("one", create=says("create"), delete=says("delete"))
    assert both.did(stack.up(*wanted), "create")
    assert (both.printed("one"), both.printed("one", "stderr")) == ("create", "")
    assert both.did(stack.up(*wanted))
    assert stack.run("refresh", *wanted, options=("--yes", "--skip-preview", "--expect-no-changes")).ok
    assert both.did(stack.up(), "delete")
    assert both.logged() == ["create", "delete"]


def test_update_runs_update_else_create_again(stack: Stack, both: Pair) -> None:
    stack.up(*both("one", create=says("first"), update=says("update"), stdin="a"))
    changed = stack.up(*both("one", create=says("first"), update=says("update"), stdin="b"))
    assert both.did(changed, "update")
    assert both.printed("one") == "update"
    assert both.did(stack.up(*both("one", create=says("second"))), "update")
    assert both.printed("one") == "second"
    # `delete` is an input like any other.
    assert both.did(stack.up(*both("one", create=says("second"), delete="true")), "update")
    assert both.logged() == ["first", "update", "second", "second"]


@pytest.mark.parametrize(
    ("options", "order"),
    [
        ({}, ["new", "delete old"]),
        ({"delete_before_replace": True}, ["delete old", "new"]),
    ],
    ids=["create-first", "delete-first"],
)
def test_triggers_replace(stack: Stack, both: Pair, options: dict[str, bool], order: list[str]) -> None:
    for turn, word in enumerate(["old", "new"]):
        texts = {"create": says(word), "delete": says(f"delete {word}"), "update": says("update")}
        up = stack.up(*both("one", options, **texts, triggers=[{"turn": turn}]))
    assert up.ok, up.text
    assert {"replace"} <= {operation for operation, _ in up.steps}
    assert both.logged() == ["old", *order]


def test_failed_create_leaves_nothing_and_is_tried_again(stack: Stack, both: Pair) -> None:
    failed = stack.up(*both("one", create="echo {kind}-stdout; echo {kind}-stderr >&2; exit 3"))
    assert not failed.ok
    for kind in both.makers:
        assert f"{kind}-stdout" in failed.text and f"{kind}-stderr" in failed.text
        assert stack.resource(f"one-{kind}") is None
    assert "status 3" in failed.text
    assert both.did(stack.up(*both("one", create="true")), "create")


def test_failed_update_and_failed_delete_keep_the_resource(stack: Stack, both: Pair) -> None:
    delete = f"test -e {stack.folder}/allowed"
    stack.up(*both("one", create="echo old", delete=delete))
    assert not stack.up(*both("one", create="echo new; exit 1", delete=delete)).ok
    assert both.printed("one") == "old"
    assert not stack.up().ok
    for kind in both.makers:
        assert stack.resource(f"one-{kind}") is not None
    (stack.folder / "allowed").touch()
    assert both.did(stack.up(), "delete")


def test_preview_runs_nothing_and_knows_no_outputs(stack: Stack, both: Pair) -> None:
    def described(word: str) -> list[Resource]:
        second = both("second", create="cat", stdin_from="first-{kind}")
        return [*both("first", create=says(word)), *second]

    assert both.did(stack.preview(*described("one")), "create", "create")
    assert both.logged() == []
    stack.up(*described("one"))
    assert both.printed("second") == "one"
    # What depends on the changed command's output may change too: the output is unknown, not the old one.
    assert both.did(stack.preview(*described("two")), "update", "update")
    assert both.logged() == ["one"]


def test_stdin(stack: Stack, both: Pair) -> None:
    assert stack.up(*both("one", create="cat; echo end >&2", stdin="a\nb\n")).ok
    assert (both.printed("one"), both.printed("one", "stderr")) == ("a\nb", "end")


def test_logging(stack: Stack, both: Pair) -> None:
    loud = both("loud", create="printf 'said-%s\n' aloud-{kind}")
    quiet = both("quiet", create="printf 'said-%s\n' softly; printf 'said-%s\n' softly >&2", logging="none")
    up = stack.up(*loud, *quiet)
    assert up.ok, up.text
    # The stack's outputs are shown apart from what commands say.
    progress = up.text.split("Outputs:")[0]
    assert "said-aloud-local" in progress and "said-aloud-remote" in progress
    assert "said-softly" not in progress
    assert both.printed("quiet") == "said-softly"


def test_secret_outputs(stack: Stack, both: Pair) -> None:
    secret = {"additional_secret_outputs": ["stdout"]}
    up = stack.up(*both("one", secret, create="printf 'hid%s' den", logging="none"))
    assert up.ok, up.text
    assert "hidden" not in up.text
    assert "hidden" not in stack.state()
    assert both.printed("one") == "hidden"
