"""The document that one run of a scenario leaves: what was run, where, what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pgpool_lab.harness.bounds import Bounds
from pgpool_lab.harness.comparison import Comparison, compare
from pgpool_lab.harness.invariants.model import Evidence, Violation
from pgpool_lab.harness.invariants.table import tolerated, violations
from pgpool_lab.harness.machine import Machine
from pgpool_lab.harness.measures import Counts, Measures, Window, count, measure


class Document(BaseModel):
    """An immutable part of the document; an unknown or missing field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Subject(Document):
    """What was run, and on what."""

    scenario: str
    sentence: str
    """What the scenario does, in words."""
    stack: str
    preset: str
    timings: Mapping[str, int | bool | str]
    replication: Literal["async", "sync"]
    versions: Mapping[str, str]
    macs: Mapping[str, str]
    """Each node's MAC address, by its name, in backend order."""
    machine: Machine


class Times(Document):
    """When a run began and ended, `time.monotonic()`."""

    begin: float
    repair: float | None
    """When what was broken began to be mended; None when nothing was."""
    end: float
    wall: float
    """`time.time()` at `begin`: the difference turns every other time into a date."""


@dataclass(frozen=True)
class Disturbance:
    """Something that was done to the lab, and how long it may be felt."""

    name: str
    nodes: tuple[str, ...]
    window: Window
    bounds: Bounds | None
    """None where nothing is known of it, as of a switchover."""


class Episode(Document):
    """What one disturbance cost."""

    name: str
    nodes: tuple[str, ...]
    fault: float
    """When it struck, `time.monotonic()`."""
    end: float
    measures: Measures
    comparisons: tuple[Comparison, ...]
    """The same figures beside their bounds."""


class Result(Document):
    """One run. A reader refuses other versions of the document."""

    schema_version: Literal[2] = 2
    subject: Subject
    times: Times
    episodes: tuple[Episode, ...]
    counts: Counts
    violations: tuple[Violation, ...]
    expected: tuple[Violation, ...]
    """What did not hold and is no failure here: a split of two nodes that are cut from each other, or that they stopped
    instead, commits that wait for a standby, and what no lab can prevent."""
    unmet: tuple[str, ...]
    """What the scenario expected and didn't see, and what kept it from its end."""
    passed: bool
    """All that was expected came true, no invariant was violated, every measure is within its bound."""


def judge(
    subject: Subject,
    times: Times,
    evidence: Evidence,
    disturbances: Sequence[Disturbance],
    *,
    unmet: Sequence[str] = (),
    told: Sequence[Violation] = (),
) -> Result:
    """Hold what was recorded against the invariants and the bounds; `told` is no failure, and belongs to `expected`."""
    episodes = tuple(episode(evidence, disturbance) for disturbance in disturbances)
    found = tuple(violations(evidence))
    within = all(one.within for part in episodes for one in part.comparisons)
    return Result(
        subject=subject,
        times=times,
        episodes=episodes,
        counts=count(evidence),
        violations=found,
        expected=(*tolerated(evidence), *told),
        unmet=tuple(unmet),
        passed=within and not found and not unmet,
    )


def episode(evidence: Evidence, disturbance: Disturbance) -> Episode:
    """Measure one disturbance and compare."""
    measures = measure(evidence, disturbance.window)
    return Episode(
        name=disturbance.name,
        nodes=disturbance.nodes,
        fault=disturbance.window.fault,
        end=disturbance.window.end,
        measures=measures,
        comparisons=compare(measures, disturbance.bounds),
    )


def write(path: Path, result: Result) -> None:
    """Write the document, replacing the file."""
    path.write_text(result.model_dump_json(indent=2) + "\n")


def read(path: Path) -> Result:
    """The document that `write` wrote. Raises pydantic.ValidationError for another version or anything else."""
    return Result.model_validate_json(path.read_text())
