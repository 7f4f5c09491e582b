"""The engine's event log: what an update did, a JSON document a line (`pulumi up --event-log`)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def read(path: Path) -> list[dict[str, Any]]:
    """The events of one update; none where it never began to write them."""
    return parse(path.read_text()) if path.is_file() else []


def parse(text: str) -> list[dict[str, Any]]:
    """The events in a log. A line that lacks its end, as the last one may when the engine was killed, is left out."""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


@contextmanager
def kept(path: Path) -> Iterator[str]:
    """Where an engine that runs meanwhile is to write its events; afterwards they are in `path`.

    Not what it says for its own developers: the outputs are in it, passwords in plain text. So it writes to memory of
    this process, of which nothing is left when that is killed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.memfd_create("events"), "r") as memory:
        try:
            yield f"/proc/{os.getpid()}/fd/{memory.fileno()}"
        finally:
            memory.seek(0)
            events = (event for event in parse(memory.read()) if not for_developers(event))
            path.write_text("".join(f"{json.dumps(event)}\n" for event in events))


def for_developers(event: dict[str, Any]) -> bool:
    """Whether the engine says this for those who work on it."""
    return bool(event.get("diagnosticEvent", {}).get("severity") == "debug")
