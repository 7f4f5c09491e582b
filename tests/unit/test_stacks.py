"""What a command tells its user to do next is said of the lab that it was given."""

from __future__ import annotations

import runpy
import sys

import pytest

from pgpool_lab import progress
from pgpool_lab.cli.stacks import given, named
from pgpool_lab.lab import Lab


@pytest.mark.parametrize(
    ("words", "stack"),
    [
        (["up", "three-node"], "three-node"),
        (["up", "--system", "three-node"], "three-node"),
        (["up"], "two-node"),
        (["rejoin", "--stack", "three-node", "node0"], "three-node"),
        (["fault", "inject", "--stack=three-node", "disk-full", "node0"], "three-node"),
        (["ssh", "node0", "--", "echo", "--stack", "other"], "two-node"),
        (["doctor"], "two-node"),
        ([], "two-node"),
    ],
)
def test_the_stack_is_the_one_that_the_command_line_names(words: list[str], stack: str) -> None:
    assert given(words) == stack


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("./lab rejoin NODE; ./lab logs", "./lab rejoin --stack lab NODE; ./lab logs --stack lab"),
        ("bring the lab up: ./lab up", "bring the lab up: ./lab up lab"),
        ("./lab up lab goes on from here", "./lab up lab goes on from here"),
        ("./lab up STACK for the witness", "./lab up lab for the witness"),
        ("./lab fault heal tries again; ./lab status", "./lab fault heal --stack lab tries again; ./lab status lab"),
        ("./lab ssh node0 -- ls; ./lab doctor", "./lab ssh --stack lab node0 -- ls; ./lab doctor"),
        ("./lab scenario list", "./lab scenario list"),
    ],
)
def test_a_command_names_the_lab_where_it_would_act_on_another(text: str, expected: str) -> None:
    assert named(text, "lab") == expected


def test_of_the_lab_that_is_meant_without_a_name_nothing_is_added() -> None:
    assert named("./lab rejoin NODE", "two-node") == "./lab rejoin NODE"


def test_an_interrupted_command_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(lab: Lab) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Lab, "status", interrupt)
    monkeypatch.setattr(progress, "end_when_told", lambda: None)
    monkeypatch.setattr(sys, "argv", ["lab", "status", "three-node"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("pgpool_lab", run_name="__main__")
    assert ended.value.code == 130
    assert "./lab down three-node removes everything" in capsys.readouterr().err
