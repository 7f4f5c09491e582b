"""The faults that a lab has now, in a file that outlives whoever injected them.

An entry is written before its fault is injected and removed after it was healed: a harness that dies in between leaves
an entry too many, never one too few.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pgpool_lab.errors import LabError


class Entry(BaseModel):
    """One injected fault."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fault: str
    node: str
    peers: tuple[str, ...]
    wall: float = Field(default_factory=time.time)
    """When it was about to be injected, `time.time()`."""
    key: str = Field(default_factory=lambda: uuid.uuid4().hex)


ENTRIES = TypeAdapter(list[Entry])


class Record:
    """The file: a JSON list in the order of injection. Several processes may use it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self) -> list[Entry]:
        """What is recorded, oldest first. Raises LabError when the file cannot be read as a record."""
        if not self._path.exists():
            return []
        try:
            return ENTRIES.validate_json(self._path.read_text())
        except ValidationError:
            raise LabError(
                f"{self._path} is no record of faults", "look at it; remove it once the nodes have no fault left"
            ) from None

    def add(self, entry: Entry) -> None:
        """Remember a fault that is about to be injected."""
        self._change(lambda entries: [*entries, entry])

    def remove(self, entry: Entry) -> None:
        """Forget a fault that was healed."""
        self._change(lambda entries: [other for other in entries if other.key != entry.key])

    def clear(self) -> None:
        """Forget all: the lab was taken back to before them."""
        self._change(lambda entries: [])

    def _change(self, change: Callable[[list[Entry]], list[Entry]]) -> None:
        with self._locked():
            entries = change(self.entries())
            if not entries:
                self._path.unlink(missing_ok=True)
                return
            new = self._path.with_name(self._path.name + ".new")
            new.write_text(json.dumps([entry.model_dump() for entry in entries], indent=2) + "\n")
            new.replace(self._path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """By a lock on the folder, which is there already and stays."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with open_folder(self._path.parent) as number:
            fcntl.flock(number, fcntl.LOCK_EX)
            yield


@contextmanager
def open_folder(folder: Path) -> Iterator[int]:
    """A file descriptor of a folder."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield number
    finally:
        os.close(number)
