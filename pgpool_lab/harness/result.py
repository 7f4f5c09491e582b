"""The document that one run of a scenario leaves: what was run, where, what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pgpool_lab.harness.bounds import Bounds
from pgpool_lab.harness.comparison import Comparison, compare
from pgpool_lab.harness.invariants.model import Evidence, Violation
from pgpool_lab.harness.invariants.table import violations
from pgpool_lab.harness.machine import Machine
from pgpool_lab.harness.measures import Measures, Window, measure


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
    """When things happened. All but `fault_wall` are `time.monotonic()`."""

    begin: float
    fault: float
    repair: float
    """When what was broken began to be mended; the end of what is measured."""
    end: float
    fault_wall: float
    """`time.time()` of the fault: the difference to `fault` turns every other time into a date."""


class Result(Document):
    """One run. A reader refuses other versions of the document."""

    schema_version: Literal[1] = 1
    subject: Subject
    times: Times
    measures: Measures
    bounds: Bounds
    comparisons: tuple[Comparison, ...]
    violations: tuple[Violation, ...]
    passed: bool
    """No invariant was violated, and every measure is within its bound."""


def judge(subject: Subject, times: Times, evidence: Evidence, bounds: Bounds) -> Result:
    """Hold what was recorded against the invariants and the bounds."""
    measures = measure(evidence, Window(fault=times.fault, end=times.repair))
    compared = compare(measures, bounds)
    found = tuple(violations(evidence))
    return Result(
        subject=subject,
        times=times,
        measures=measures,
        bounds=bounds,
        comparisons=compared,
        violations=found,
        passed=not found and all(comparison.within for comparison in compared),
    )


def write(path: Path, result: Result) -> None:
    """Write the document, replacing the file."""
    path.write_text(result.model_dump_json(indent=2) + "\n")


def read(path: Path) -> Result:
    """The document that `write` wrote. Raises pydantic.ValidationError for another version or anything else."""
    return Result.model_validate_json(path.read_text())
