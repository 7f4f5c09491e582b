"""One command at a time changes a lab: two would spoil each other's machines, measurements and engine state."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.hypervisor.processes import ancestors
from pgpool_lab.paths import LabPaths, is_of


@dataclass(frozen=True)
class Owner:
    """The command that has a lab, as it wrote it down."""

    command: str
    process: int
    since: str
    """Time of day at which it began."""


@contextmanager
def occupied(lab: LabPaths) -> Iterator[None]:
    """Have the lab for this command alone, for as long as the block lasts or this process lives.

    A command that the owner itself has called, at whatever remove, goes on as part of it. Raises LabError that names
    the owner. Who only looks at a lab doesn't ask.
    """
    handle = take(lab)
    if handle is None:
        yield
        return
    try:
        yield
    finally:
        give_back(lab, handle)


def take(lab: LabPaths) -> int | None:
    """A descriptor of the locked file, which no child inherits; None when an ancestor has the lab."""
    while True:
        handle = opened(lab.lock)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            owner = owner_of(lab.lock)
            if owner is not None and owner.process in ancestors(os.getpid()):
                return None
            raise refusal(lab, owner) from None
        if is_of(handle, lab.lock):
            break
        # Its owner removed the file between the opening and the lock.
        os.close(handle)
    own = {"command": command(), "process": os.getpid(), "since": time.strftime("%H:%M:%S")}
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{json.dumps(own)}\n".encode(), 0)
    return handle


def opened(path: Path) -> int:
    """The file, made where it is missing. Its folder goes with the last lab, maybe just now."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)


def give_back(lab: LabPaths, handle: int) -> None:
    """Remove the file, which nobody else does while it is locked, and its folder when no lab is left."""
    lab.lock.unlink(missing_ok=True)
    os.close(handle)
    with suppress(OSError):
        lab.lock.parent.rmdir()


def owner_of(path: Path) -> Owner | None:
    """Who has written itself down; None when nobody has yet, or no more."""
    try:
        return Owner(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def refusal(lab: LabPaths, owner: Owner | None) -> LabError:
    """What the second one is told."""
    if owner is None:
        return LabError(f"another command is changing the lab {lab.stack}", "wait until it has ended, then repeat")
    return LabError(
        f"the lab {lab.stack} is in use by `{owner.command}` (process {owner.process}, since {owner.since})",
        "wait until it has ended, or end it with Ctrl-C where it runs; then repeat",
    )


def command() -> str:
    """This process's command, as it was typed."""
    return shlex.join(["./lab", *sys.argv[1:]])
