"""Measured runs that never happened: the synthetic run's document, with what a test changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pgpool_lab.harness.measurements.document import Measurement
from tests.unit.harness.synthetic import recording


def document(
    scenario: str = "procedure-3",
    *,
    nodes: int = 3,
    witness: bool = False,
    rewind_seconds: float | None = 12.0,
    passed: bool = True,
    unmet: tuple[str, ...] = (),
    lost: tuple[int, ...] = (),
    episodes: bool = True,
    measures: dict[str, Any] | None = None,
    **subject: Any,
) -> dict[str, Any]:
    """A document as JSON; `measures` replaces some of the first episode's."""
    made: dict[str, Any] = json.loads(
        Measurement(
            commit="c0ffee", witness=witness, rewind_seconds=rewind_seconds, result=recording(scenario=scenario).result
        ).model_dump_json()
    )
    found = made["result"]
    found["subject"] |= {"macs": {f"node{i}": f"52:54:00:31:01:3{i}" for i in range(nodes)}} | subject
    found["counts"]["lost"] = lost
    found |= {"passed": passed, "unmet": unmet}
    found["episodes"][0]["measures"] |= measures or {}
    if not episodes:
        found["episodes"] = []
    return made


def outage(seconds: float, *, over: bool = True) -> dict[str, dict[str, object]]:
    """A write outage that begins with the fault."""
    return {"write_outage": {"begin": 1020.0, "end": 1020.0 + seconds, "over": over}}


def folder_of(folder: Path, *documents: dict[str, Any]) -> Path:
    """A folder with documents, in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, each in enumerate(documents, start=1):
        (folder / f"{number:02}.json").write_text(json.dumps(each))
    return folder
