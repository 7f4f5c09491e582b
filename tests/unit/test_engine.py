"""What the engine's backend of files keeps: locks, of which a killed update leaves its own, and states."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path

import pytest

from pgpool_lab.engine import has_state, refuse_a_second, refuse_another_state, release, runs_pulumi
from pgpool_lab.errors import LabError
from pgpool_lab.paths import LabPaths
from pgpool_lab.waiting import wait_for

GONE = 2**22 + 1
"""No process has such a number."""


@pytest.fixture
def update(tmp_path: Path) -> Iterator[int]:
    """A process that runs under the engine's name."""
    program = tmp_path / "pulumi"
    shutil.copy2(shutil.which("sleep") or "/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as process:
        # The kernel closes what Popen waits for before it gives the process its new name (fs/exec.c, begin_new_exec()).
        wait_for(lambda: runs_pulumi(process.pid), bool, seconds=10, what="the program's name", pause=0.01)
        yield process.pid
        process.kill()


def locked(lab: LabPaths, owners: Mapping[str, int | None]) -> Path:
    """The folder of the backend's locks, with these in it."""
    folder = lab.backend / ".pulumi" / "locks" / "organization" / "pgpool-lab" / lab.stack
    folder.mkdir(parents=True)
    for name, owner in owners.items():
        (folder / f"{name}.json").write_text(json.dumps({"pid": owner}))
    return folder


def test_only_the_lock_of_an_update_that_runs_stays(update: int, tmp_path: Path) -> None:
    lab = LabPaths("unit", tmp_path)
    folder = locked(lab, {"running": update, "gone": GONE, "another's by now": os.getpid(), "nobody's": None})
    release(lab)
    assert [lock.stem for lock in folder.iterdir()] == ["running"]


def test_what_a_user_s_own_update_is_just_making_is_not_taken_for_what_an_interrupted_one_left(
    update: int, tmp_path: Path
) -> None:
    lab = LabPaths("unit", tmp_path)
    refuse_a_second(lab)
    folder = locked(lab, {"gone": GONE, "nobody's": None})
    refuse_a_second(lab)
    (folder / "running.json").write_text(json.dumps({"pid": update}))
    with pytest.raises(LabError, match=rf"pulumi is changing the lab unit \(process {update}\)"):
        refuse_a_second(lab)


RECORDED = {"resources": [{"urn": "urn:pulumi:x"}]}


@pytest.mark.parametrize(
    ("latest", "backend", "refused"),
    [
        (RECORDED, "file:///home/user", True),
        (RECORDED, None, True),
        (RECORDED, "its own", False),
        ({}, None, True),
        (None, None, False),
    ],
    ids=["in another folder", "nowhere in particular", "the same", "of a preview", "no state is here"],
)
def test_plain_pulumi_keeps_off_a_lab_whose_state_is_here(
    latest: object, backend: str | None, refused: bool, tmp_path: Path
) -> None:
    lab = LabPaths("unit", tmp_path)
    folder = lab.backend / ".pulumi" / "stacks" / "pgpool-lab"
    folder.mkdir(parents=True)
    if latest is not None:
        (folder / "unit.json").write_text(json.dumps({"checkpoint": {"latest": latest}}))
    expected = pytest.raises(LabError, match=r"\./lab run --stack unit -- pulumi") if refused else nullcontext()
    with expected:
        refuse_another_state(lab, f"file://{lab.backend}" if backend == "its own" else backend)


def test_a_state_that_root_keeps_is_one_for_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = LabPaths("unit", tmp_path)
    lab.root.mkdir(parents=True)
    assert not has_state(lab)
    monkeypatch.setattr(os, "access", lambda path, mode: path != lab.root)
    assert has_state(lab)
