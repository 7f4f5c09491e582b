"""The engine's event log: what an update did, a JSON document a line (`pulumi up --event-log`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read(path: Path) -> list[dict[str, Any]]:
    """The events of one update; none where it never began to write them.

    A line that lacks its end, as the last one may when the engine was killed, is left out.
    """
    if not path.is_file():
        return []
    text = path.read_text()
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def forget_debugging(path: Path) -> None:
    """Take out what the engine says for its own developers: the outputs are in it, passwords in plain text."""
    kept = [event for event in read(path) if event.get("diagnosticEvent", {}).get("severity") != "debug"]
    path.write_text("".join(f"{json.dumps(event)}\n" for event in kept))
