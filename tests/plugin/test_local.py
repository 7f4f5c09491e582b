"""What only local commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.plugin.engine import Resource, Stack


def command(name: str, **arguments: Any) -> Resource:
    return Resource(name, "local.Command", arguments)


def test_interpreter_folder_and_environment(stack: Stack, tmp_path: Path) -> None:
    text = "import os; print(os.getcwd(), os.environ['WORD'])"
    how = {"interpreter": ["python3", "-c"], "dir": str(tmp_path), "environment": {"WORD": "w"}}
    assert stack.up(command("one", create=text, **how)).ok
    assert stack.outputs()["one.stdout"] == f"{tmp_path} w"


def test_previous_output_in_environment(stack: Stack) -> None:
    show = "echo ${PULUMI_COMMAND_STDOUT:-none} ${PULUMI_COMMAND_STDERR:-none}"
    speak = "echo out; echo err >&2"
    stack.up(command("with", create=speak), command("without", create=speak))
    stack.up(command("with", create=show), command("without", create=show, add_previous_output_in_env=False))
    assert (stack.outputs()["with.stdout"], stack.outputs()["without.stdout"]) == ("out err", "none none")
