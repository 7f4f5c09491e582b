"""Snapshots that an update has made old: a rewind would undo in the machines what the engine's state says was done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pgpool_lab.engine import Engine
from pgpool_lab.errors import LabError
from pgpool_lab.harness import snapshot
from pgpool_lab.harness.control import Control

HARMLESS = ("same", "read", "refresh")
"""What the engine calls a step that changes nothing."""


def changes(events: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a run of the engine changed a resource, or began to: a failed one may have."""
    steps = (event["resourcePreEvent"] for event in events if "resourcePreEvent" in event)
    return any(not step.get("planning") and step["metadata"]["op"] not in HARMLESS for step in steps)


def forget_snapshots(engine: Engine) -> None:
    """Remove the lab's snapshots. A lab that has no outputs was never whole, and never captured."""
    try:
        outputs = engine.outputs()
    except LabError:
        return
    snapshot.forget(Control(outputs))
