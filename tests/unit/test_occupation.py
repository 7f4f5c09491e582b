"""Two commands that change one lab: the second one is told who was first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pgpool_lab import occupation, testing
from pgpool_lab.bench import Bench
from pgpool_lab.cli import app, experiments
from pgpool_lab.cluster.outputs import LabOutputs
from pgpool_lab.errors import LabError
from pgpool_lab.lab import Lab
from pgpool_lab.occupation import occupied
from pgpool_lab.paths import PROJECT, LabPaths
from tests.unit import lab_outputs

TAKE = "occupied(LabPaths('two-node', Path(sys.argv[1])))"
HOLDER = f"""
import sys
from pathlib import Path
from pgpool_lab.occupation import occupied
from pgpool_lab.paths import LabPaths
sys.argv[1:2] = [sys.argv[1], "--seed", "7"]
with {TAKE}:
    print("held", flush=True)
    sys.stdin.read()
"""
NESTED = f"""
import subprocess, sys
from pathlib import Path
from pgpool_lab.occupation import occupied
from pgpool_lab.paths import LabPaths
with {TAKE}:
    if len(sys.argv) == 2:
        # As `lab test` has pytest call what it likes.
        shell = ["sh", "-c", '"$@"; exit $?', "sh"]
        sys.exit(subprocess.run([*shell, sys.executable, __file__, sys.argv[1], "inner"]).returncode)
    print("went on")
"""


@pytest.fixture
def paths(tmp_path: Path) -> LabPaths:
    return LabPaths("two-node", tmp_path)


@pytest.fixture
def hold(paths: LabPaths) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts a process that has the lab until it is ended."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(paths.project)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )
        started.append(process)
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_second_command_names_the_first_and_the_way_out(paths: LabPaths, hold: Callable[..., Any]) -> None:
    holder = hold()
    with pytest.raises(LabError) as raised, occupied(paths):
        pytest.fail("both have the lab")
    assert raised.value.problem.startswith("the lab two-node is in use by `./lab ")
    assert "--seed 7`" in raised.value.problem and f"(process {holder.pid}, since " in raised.value.problem
    assert "wait until it has ended" in raised.value.remedy
    with occupied(LabPaths("three-node", paths.project)):
        pass


def test_a_lab_is_free_when_its_owner_ends_however_that_ends(paths: LabPaths, hold: Callable[..., Any]) -> None:
    holder = hold()
    holder.communicate()
    assert not paths.lock.parent.exists()
    holder = hold()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert paths.lock.exists()
    with occupied(paths):
        pass
    assert not paths.lock.parent.exists()


def test_an_owner_that_has_not_written_its_name_yet_keeps_others_out(paths: LabPaths, hold: Callable[..., Any]) -> None:
    hold()
    paths.lock.write_text("")
    with pytest.raises(LabError, match="another command is changing the lab two-node"), occupied(paths):
        pytest.fail("both have the lab")


def test_what_the_owner_calls_is_part_of_it(paths: LabPaths, tmp_path: Path) -> None:
    with occupied(paths):
        with occupied(paths):
            pass
        assert paths.lock.exists()
    script = tmp_path / "nested.py"
    script.write_text(NESTED)
    done = subprocess.run(
        [sys.executable, str(script), str(paths.project)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "went on\n"), done.stderr


def test_a_file_that_its_owner_removes_is_not_taken_for_the_lock(
    paths: LabPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = occupation.opened
    calls: list[int] = []

    def late(path: Path) -> int:
        handle = opened(path)
        if not calls:
            path.unlink()
        calls.append(handle)
        return handle

    monkeypatch.setattr(occupation, "opened", late)
    with occupied(paths):
        assert len(calls) == 2 and paths.lock.exists()


CHANGING = (
    "up",
    "down",
    "bench",
    "rejoin node0",
    "switchover",
    "fault inject pgpool-kill node0",
    "fault heal",
    "scenario run procedure-3",
    "measure hang --stack two-node",
    "soak --seed 7 --minutes 1",
    "snapshot",
    "rewind",
    "test two-node",
)
LOOKING = ("status --json", "logs", "scenario list", "fault list")


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch, paths: LabPaths, hold: Callable[..., Any]) -> None:
    """The default lab is one that somebody else has; nothing behind the lock may be reached."""

    def reached(self: Lab, *arguments: object) -> Bench:
        raise AssertionError("the lab was changed")

    def here(stack: str) -> LabPaths:
        return LabPaths(stack, paths.project)

    for name in ("up", "down", "bench", "agent"):
        monkeypatch.setattr(Lab, name, reached)
    monkeypatch.setattr(Lab, "outputs", lambda self: LabOutputs.model_validate(lab_outputs.values()))
    monkeypatch.setattr(Lab, "status", lambda self: {"healthy": True})
    monkeypatch.setattr(experiments, "LabPaths", here)
    monkeypatch.setattr(experiments, "outputs_of", reached)
    monkeypatch.setattr(testing, "LabPaths", here)
    monkeypatch.setattr(testing, "new_report_folder", lambda: paths.project)
    # The package's name `app` is the command line, which hides the module.
    commands = sys.modules["pgpool_lab.cli.app"]
    monkeypatch.setattr(commands, "LabPaths", here)
    monkeypatch.setattr(commands, "last_lines", lambda outputs, node: "a line")
    paths.stack_file.parent.mkdir()
    paths.stack_file.write_text((PROJECT / "stacks" / paths.stack_file.name).read_text())
    hold()


@pytest.mark.parametrize("words", CHANGING)
@pytest.mark.usefixtures("busy")
def test_what_changes_a_lab_asks_for_it(words: str) -> None:
    done: Any = CliRunner().invoke(app, words.split())
    assert isinstance(done.exception, LabError), done.exception
    assert "the lab two-node is in use by" in done.exception.problem


@pytest.mark.parametrize("words", LOOKING)
@pytest.mark.usefixtures("busy")
def test_what_looks_at_a_lab_does_not(words: str) -> None:
    done: Any = CliRunner().invoke(app, words.split())
    assert (done.exit_code, str(done.exception or 0)) == (0, "0")
