"""Locks of the engine's backend that a killed update has left."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgpool_lab.engine import release, runs_pulumi
from pgpool_lab.paths import LabPaths
from pgpool_lab.waiting import wait_for


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


def test_only_the_lock_of_an_update_that_runs_stays(update: int, tmp_path: Path) -> None:
    lab = LabPaths("unit", tmp_path)
    folder = lab.backend / ".pulumi" / "locks" / "organization" / "pgpool-lab" / "unit"
    folder.mkdir(parents=True)
    owners = {"running": update, "gone": 2**22 + 1, "another's by now": os.getpid(), "nobody's": None}
    for name, owner in owners.items():
        (folder / f"{name}.json").write_text(json.dumps({"pid": owner}))
    release(lab)
    assert [lock.stem for lock in folder.iterdir()] == ["running"]
