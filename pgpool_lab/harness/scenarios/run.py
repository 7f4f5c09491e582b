"""What one run of a scenario was: everything that measuring, judging and drawing it needs.

Times are `time.monotonic()` in seconds unless they are called `wall`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from pgpool_lab.harness.ledger import Ledger
from pgpool_lab.harness.samples import Sample

Kind = Literal["fault", "load", "heal", "restore", "switchover"]
"""`load`: something that takes nothing from the cluster by itself, such as a base backup."""


class Part(BaseModel):
    """An immutable part of the document; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Event(Part):
    """Something that the runner did, at some moment from `earliest` to `latest`."""

    kind: Kind
    step: int
    """Index of the scenario's step; what belongs to one step was done at the same time."""
    name: str
    """The fault, or what was done."""
    nodes: tuple[str, ...]
    holders: tuple[str, ...]
    """Who held the virtual IP before the step."""
    primaries: tuple[str, ...]
    """Who was primary before the step."""
    earliest: float
    latest: float


class Outcome(Part):
    """One expectation, and when it was seen to hold."""

    expectation: str
    unmet: str
    """Why it did not hold in time; empty when it did."""
    after_seconds: float
    """How long it was waited for."""


class ScenarioRun(Part):
    """One run."""

    scenario: str
    sentence: str
    stack: str
    holder: str
    """Who held the virtual IP when it began."""
    primary: str
    """Who was primary when it began."""
    may_split: bool
    """Two holders and two primaries are this run's expected outcome."""
    began: float
    ended: float
    wall: float
    """`time.time()` at `began`."""
    events: tuple[Event, ...]
    outcomes: tuple[Outcome, ...]
    failure: str
    """What kept it from running to its end; empty when nothing did."""
    restored: bool
    """Whether the lab was brought back to health afterwards."""
    samples: tuple[Sample, ...]
    ledger: Ledger

    @property
    def windows(self) -> dict[int, tuple[float, float]]:
        """What is to be measured, by step: from each fault or switchover to the next thing done to the lab."""
        disturbed = {event.step for event in self.events if event.kind in ("fault", "switchover")}
        starts = {event.step: self._start(event.step) for event in self.events}
        return {
            step: (starts[step], min((start for other, start in starts.items() if other > step), default=self.ended))
            for step in sorted(disturbed)
        }

    def _start(self, step: int) -> float:
        return min(event.earliest for event in self.events if event.step == step)
