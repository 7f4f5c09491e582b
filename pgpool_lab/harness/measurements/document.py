"""The document of one measured run, a JSON file: written strictly, read for what the tables need."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pgpool_lab.errors import LabError
from pgpool_lab.harness.assessment import Place, macs_of
from pgpool_lab.harness.measures import PAUSE_SECONDS
from pgpool_lab.harness.result import Document, Result


class Measurement(Document):
    """A run's result as it is, and what the result doesn't know."""

    schema_version: Literal[1] = 1
    commit: str
    """Of the checkout that ran it; `-dirty` when tracked files were changed, such as a stack's settings."""
    witness: bool
    """Whether a third watchdog member without PostgreSQL was there."""
    rewind_seconds: float | None
    """How long the lab took to go back to its snapshot and be healthy; None when it was made healthy without."""
    result: Result


class Part(BaseModel):
    """What is read of a document. Older and newer ones may lack or add keys: only those that are asked for count."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Host(Part):
    """What makes figures of two machines comparable."""

    processor: str
    cores: int
    domain_type: str
    node_processors: int = 2
    """Of a node's machine. Runs that do not tell are from before nodes had one."""


class Configuration(Part):
    """What runs that are counted together have in common, beside the witness."""

    stack: str
    preset: str
    timings: Mapping[str, int | bool | str]
    replication: str
    versions: Mapping[str, str]
    macs: Mapping[str, str]
    machine: Host


class Subject(Configuration):
    scenario: str

    @property
    def configuration(self) -> Configuration:
        return Configuration.model_validate(self.model_dump())


class Gap(Part):
    begin: float
    end: float
    over: bool


class Limit(Part):
    seconds: float


class Bounded(Part):
    name: str
    bound: Limit | None
    within: bool


class Episode(Part):
    """What one fault cost. Measures go by their fields' names."""

    fault: float
    end: float
    measures: Mapping[str, Gap | float | None]
    comparisons: tuple[Bounded, ...]

    @property
    def watched(self) -> float:
        """How long it was looked at before anything was repaired, in seconds."""
        return self.end - self.fault

    def value(self, measure: str) -> float | None:
        """Seconds; infinite for an outage that lasted until the repair, None for what wasn't seen or measured."""
        found = self.measures.get(measure)
        if not isinstance(found, Gap):
            return found
        seconds = found.end - found.begin
        # Documents of before the measure itself ended with the repair; a pause between two writes may share a moment.
        lasted = not found.over or (found.end >= self.end and seconds > PAUSE_SECONDS)
        return math.inf if lasted else seconds

    def bound(self, name: str) -> float | None:
        """Seconds within which a measure, by its name in words, was to be."""
        return next((one.bound.seconds for one in self.comparisons if one.name == name and one.bound), None)


class Counts(Part):
    lost: tuple[int, ...] | None


class Violated(Part):
    name: str
    sentence: str


class Findings(Part):
    """The result of a run."""

    subject: Subject
    episodes: tuple[Episode, ...]
    counts: Counts
    violations: tuple[Violated, ...]
    expected: tuple[Violated, ...] = ()
    unmet: tuple[str, ...]
    passed: bool


class Run(Part):
    """A measured run as the tables see it."""

    witness: bool = False
    rewind_seconds: float | None = None
    result: Findings

    @property
    def subject(self) -> Subject:
        return self.result.subject

    @property
    def episode(self) -> Episode | None:
        """The first, of most scenarios the only one; None when the run ended before its fault."""
        return next(iter(self.result.episodes), None)

    @property
    def passed(self) -> bool:
        return self.result.passed

    @property
    def nodes(self) -> int:
        return len(self.subject.macs)


def configuration_of(stack: str, place: Place) -> Configuration:
    """What every run on a lab, as it is now, will say of it."""
    return Configuration(
        stack=stack,
        preset=place.preset,
        timings=place.outputs.timings,
        replication=place.outputs.replication,
        versions=place.outputs.versions,
        macs=macs_of(place.outputs),
        machine=Host.model_validate(place.machine.model_dump()),
    )


def store(folder: Path, measurement: Measurement) -> Path:
    """Write a document under a name that is free; the folder is made. It is there whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    subject = measurement.result.subject
    witness = ["witness"] if measurement.witness else []
    parts = [subject.stack, *witness, subject.preset, subject.replication, subject.scenario]
    number = 1
    while (path := folder / f"{'.'.join(parts)}.{number}.json").exists():
        number += 1
    new = path.with_name(f"{path.name}.new")
    new.write_text(measurement.model_dump_json(indent=1) + "\n")
    new.replace(path)
    return path


def load_all(folder: Path) -> dict[Path, Run]:
    """The documents of a folder in the order of their names; none where it doesn't exist.

    Raises LabError that names a file which is no such document.
    """
    return {path: load(path) for path in sorted(folder.glob("*.json"))}


def load(path: Path) -> Run:
    """One document."""
    try:
        return Run.model_validate_json(path.read_text())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise LabError(
            f"{path} is no measured run: {where}: {first['msg']}", "restore it with git, or remove it"
        ) from None
