"""`lab bench`: where the time goes from `pulumi up` to a healthy lab, and how it compares with two bare machines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PHASES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("engine, image, disks", ("libvirt:index/volume:Volume", "libvirt:index/domain:Domain")),
    ("boot to ssh", ("-ready",)),
    ("files and keys", ("-files", "-keys-", "-trust-")),
    ("join", ("join",)),
    ("pgpool started", ("-start",)),
    ("watchdog forms, all agree", ("settle",)),
    ("key mesh checked", ("-check-",)),
)
"""What ends each phase: the last resource whose type or name has one of these parts. A phase begins where the one
before ends, since each needs it."""

HEALTHY = "watchdog forms, all agree"
BOOTED = "boot to ssh"


@dataclass(frozen=True)
class Phase:
    """One part of an update, in seconds from its beginning."""

    name: str
    begin: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.begin


def phases(events: Iterable[Mapping[str, Any]]) -> list[Phase]:
    """The phases of an update from the engine's event log (its times are whole seconds).

    Raises ValueError when the update created nothing of a phase: then it was no update from nothing.
    """
    begin: float | None = None
    ends: dict[str, float] = {}
    for event in events:
        if begin is None:
            begin = float(event["timestamp"])
        outputs = event.get("resOutputsEvent")
        if outputs is None or outputs["metadata"]["op"] != "create" or outputs.get("planning"):
            continue
        urn = str(outputs["metadata"]["urn"])
        kind, name = urn.split("::")[2].split("$")[-1], urn.split("::")[3]
        for phase, parts in PHASES:
            if any(part in (kind, name) or (part.startswith("-") and part in name) for part in parts):
                ends[phase] = float(event["timestamp"])
                break
    found = []
    previous = begin or 0.0
    for phase, _ in PHASES:
        if phase not in ends:
            raise ValueError(f"the update created nothing of the phase {phase!r}")
        found.append(Phase(phase, previous - (begin or 0.0), max(previous, ends[phase]) - (begin or 0.0)))
        previous = max(previous, ends[phase])
    return found


def ready_ratio(found: Iterable[Phase]) -> float:
    """Time to healthy over the time in which the machines, with nothing to do yet, answer ssh."""
    by_name = {phase.name: phase for phase in found}
    return by_name[HEALTHY].end / by_name[BOOTED].seconds


def read_log(path: Path) -> list[dict[str, Any]]:
    """The events of one update: a JSON document a line."""
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
