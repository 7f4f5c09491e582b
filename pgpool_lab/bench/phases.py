"""The phases of an update, from the engine's event log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pgpool_lab.node.cluster import STARTED

PHASES: tuple[tuple[str, str], ...] = (
    ("engine, image, disks", r"libvirt:index/(volume:Volume|domain:Domain) .*"),
    ("boot to ssh", r".* .*-ready"),
    ("files and keys", r".* ((agent|postgres)-.*-files|ssh-mesh-(keys|trust)-.*)"),
    ("join", r".* (join|pgpool-.*-files)"),
    ("pgpool started", rf".* serve: .* {STARTED}"),
    ("watchdog formed, all agree", r".* serve"),
    ("key mesh checked", r".* ssh-mesh-check-.*"),
)
"""What ends each phase: the last resource whose type and name match, or, behind a colon, what one of them said. A phase
begins where the one before ends, since each needs it."""

HEALTHY = "watchdog formed, all agree"


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
        happened = said(event) or made(event)
        for phase, pattern in PHASES:
            if happened and re.fullmatch(pattern, happened):
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


def made(event: Mapping[str, Any]) -> str:
    """`type name` of the resource that an event tells to have been made; empty for other events."""
    outputs = event.get("resOutputsEvent")
    if outputs is None or outputs["metadata"]["op"] != "create" or outputs.get("planning"):
        return ""
    return typed(str(outputs["metadata"]["urn"]))


def said(event: Mapping[str, Any]) -> str:
    """`type name: line` of what a resource said while it was made; empty for other events."""
    spoken = event.get("diagnosticEvent", {})
    return f"{typed(spoken['urn'])}: {spoken['message'].strip()}" if spoken.get("urn") else ""


def typed(urn: str) -> str:
    """Type and name of a resource."""
    kind, name = urn.split("::")[2:4]
    return f"{kind.split('$')[-1]} {name}"
