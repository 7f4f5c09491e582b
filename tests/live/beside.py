"""Another checkout of the project, with a lab of its own beside the one under test."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pgpool_lab.paths import PROJECT, LabPaths
from tests.live.lab import LiveLab

STACK = "beside"
"""A stack whose addresses are its own: it may be in the same network namespace."""
PSQL = ("./lab", "psql", "--stack", STACK, "--", "-Atc")
"""A statement through its virtual IP; one follows."""
MOVED = {"192.168.31.": "192.168.32.", "52:54:00:": "52:54:01:"}


@dataclass(frozen=True)
class Checkout:
    """The folder, and the stack of its lab."""

    folder: Path
    stack: str = STACK

    @property
    def paths(self) -> LabPaths:
        """Those of its lab."""
        return LabPaths(self.stack, self.folder)

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """A command of a user who has none of this run's settings, but these."""
        return subprocess.run(
            command, cwd=self.folder, env={**own_variables(), **variables}, capture_output=True, text=True, check=False
        )

    def done(self, *command: str, **variables: str) -> str:
        """The same for a command that has to succeed; what it printed."""
        done = self.run(*command, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def begin(self, printed: Path, *command: str) -> subprocess.Popen[bytes]:
        """Start a command in a process group of its own, as a terminal does; what it prints goes to a file."""
        # Who runs the tests in the background has them ignore Ctrl-C, and whom they start.
        heard = ("env", "--default-signal=INT", *command)
        with printed.open("wb") as output:
            return subprocess.Popen(
                heard,
                cwd=self.folder,
                env=own_variables(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )


def own_variables() -> dict[str, str]:
    """This process's, without the settings of the run that it is part of."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("LAB_", "PULUMI_"))}


@pytest.fixture(scope="session")
def checkout(lab: LiveLab, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Another checkout, which has the stack under test, too, and `STACK`; it shares this one's Python environment."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / name, target)
    (folder / ".venv").symlink_to(PROJECT / ".venv")
    if (PROJECT / "files").is_dir():
        (folder / "files").symlink_to(PROJECT / "files")
    settings = LabPaths(lab.stack).stack_file.read_text()
    # One of a person's own is in no list of git's.
    LabPaths(lab.stack, folder).stack_file.write_text(settings)
    for old, new in MOVED.items():
        settings = settings.replace(old, new)
    made = Checkout(folder)
    made.paths.stack_file.write_text(settings)
    return made


@pytest.fixture
def neighbour(checkout: Checkout) -> Iterator[Checkout]:
    """That checkout with its lab up; machines and changed settings are gone afterwards."""
    settings = checkout.paths.stack_file
    before = settings.read_text()
    try:
        checkout.done("./lab", "up", STACK)
        yield checkout
    finally:
        checkout.done("./lab", "down", STACK)
        settings.write_text(before)
