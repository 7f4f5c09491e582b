"""Another command plugin than the toolchain's: the file that is named is the one that the engine runs."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from pgpool_lab.toolchain import Toolchain
from tests.plugin.conftest import engine_with, with_command_plugin
from tests.plugin.engine import Resource, Stack


@pytest.mark.parametrize("archived", [False, True], ids=["binary", "archive"])
def test_the_given_plugin_is_the_one_that_runs(
    archived: bool, toolchain: Toolchain, program: Path, tmp_path: Path
) -> None:
    [own] = (toolchain.plugin_home / "plugins").glob("resource-command-*/pulumi-resource-command")
    given, ran = tmp_path / "pulumi-resource-command", tmp_path / "ran"
    given.write_text(f'#!/bin/sh\ntouch {ran}\nexec {own} "$@"\n')
    given.chmod(0o755)
    if archived:
        with tarfile.open(tmp_path / "plugin.tar.gz", "w:gz") as content:
            content.add(given, given.name)
        given = tmp_path / "plugin.tar.gz"
    (tmp_path / "installed").mkdir()
    changed = with_command_plugin(toolchain, given, tmp_path / "installed")
    stack = Stack(f"given-{'archive' if archived else 'binary'}", program, tmp_path, engine_with(changed, tmp_path))
    stack.create()
    outcome = stack.up(Resource("one", "local.Command", {"create": "echo made"}))
    assert outcome.ok, outcome.text
    assert stack.outputs()["one.stdout"] == "made"
    assert ran.exists()
