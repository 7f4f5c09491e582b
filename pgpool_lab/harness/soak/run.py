"""Runs a soak: strike after strike, each a run of its own with clients and invariants, until time is up or one fails.

It begins where scenarios do, at the snapshot: the same seed meets the same roles, as far as failovers choose the same.

Clients write all through a strike, its mending included. Between two strikes their rows are compared on every node, and
the table is made anew: what a strike lost is found before the next one, and a long soak compares no more than a short.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psycopg2

from pgpool_lab.cluster.outputs import LabOutputs
from pgpool_lab.errors import LabError
from pgpool_lab.harness.control import Control
from pgpool_lab.harness.faults import Injector, Record
from pgpool_lab.harness.result import Document, Result
from pgpool_lab.harness.scenarios.model import Arrangement
from pgpool_lab.harness.scenarios.stage import AsItIs, Rewinding, roles
from pgpool_lab.harness.soak.plan import Strike, scenario_of, strikes
from pgpool_lab.harness.trials import Trials
from pgpool_lab.waiting import NotInTime

FILE = "soak.json"


class StrikeResult(Document):
    """What one strike came to."""

    position: int
    fault: str
    node: str
    holder: str
    """Who held the virtual IP when it struck; empty when nobody could tell. With the same roles at the start, the same
    seed meets other ones only where a failover chose otherwise."""
    primary: str
    calm: float
    lasts: float
    recording: str
    """Folder of its recording, beside this document; empty when there is none."""
    wrong: tuple[str, ...]
    """Violated invariants, expectations that were not met, and what kept it from being recorded. Not among them: what
    took longer than its bound, which the recording shows."""


class SoakResult(Document):
    """A soak so far."""

    stack: str
    seed: int
    minutes: int
    """How long it was to go on; the last strike ends after that."""
    seconds: float
    """How long it went on."""
    strikes: tuple[StrikeResult, ...]

    @property
    def passed(self) -> bool:
        """Whether something was struck and nothing was wrong."""
        return bool(self.strikes) and not self.strikes[-1].wrong

    @property
    def verdict(self) -> str:
        """In a sentence; one that failed with what repeats it."""
        count, minutes = len(self.strikes), self.seconds / 60
        if self.passed:
            return f"seed {self.seed}: {count} faults in {minutes:.0f} minutes without a violation"
        if not self.strikes:
            return f"seed {self.seed}: nothing was struck"
        last = self.strikes[-1]
        return (
            f"seed {self.seed}: fault {last.position}, {last.fault} on {last.node}, after {minutes:.0f} minutes: "
            f"{'; '.join(last.wrong)}"
        )


class Soak:
    """Soaks one lab. This process must be in the lab's network: the clients are threads of it."""

    def __init__(
        self, stack: str, outputs: LabOutputs, record: Path, reports: Path, tell: Callable[[str], None]
    ) -> None:
        """As `Trials`; raises its LabError."""
        self._stack, self._outputs, self._reports, self._tell = stack, outputs, reports, tell
        self._control = Control(outputs)
        faults = Record(record)
        self._injector = Injector(self._control, faults)
        self._start = Rewinding(self._control, faults, tell)
        self._trials = Trials(stack, outputs, record, reports, tell, stage=AsItIs())
        self.results: list[Result] = []
        """Of every strike that was recorded."""

    def run(self, seed: int, minutes: int) -> SoakResult:
        """Strike until `minutes` have passed or something is wrong; `soak.json` is written after every strike.

        Raises LabError for a lab that cannot be brought to health before the first.
        """
        self._injector.heal_all()
        self._start.prepare(Arrangement.TOGETHER)
        began = time.monotonic()
        done: list[StrikeResult] = []
        for strike in strikes(seed, [node.name for node in self._outputs.nodes]):
            self._tell(f"fault {strike.position} of seed {seed}: {strike.fault} on {strike.node}")
            done.append(self._strike(strike))
            result = SoakResult(
                stack=self._stack,
                seed=seed,
                minutes=minutes,
                seconds=time.monotonic() - began,
                strikes=tuple(done),
            )
            (self._reports / FILE).write_text(result.model_dump_json(indent=2) + "\n")
            if done[-1].wrong or result.seconds >= 60 * minutes:
                return result
        raise AssertionError("the plan has no end")

    def _strike(self, strike: Strike) -> StrikeResult:
        recording = holder = primary = ""
        try:
            holder, primary = roles(self._control)
            scenario = scenario_of(strike, holder=holder, primary=primary)
            result = self._trials.run(scenario)
            self.results.append(result)
            recording, wrong = self._trials.folder(scenario).name, wrong_in(result)
        except LabError as error:
            wrong = (error.problem,)
        except (NotInTime, psycopg2.Error) as error:
            wrong = (" ".join(str(error).split()),)
        return StrikeResult(
            position=strike.position,
            fault=strike.fault,
            node=strike.node,
            holder=holder,
            primary=primary,
            calm=strike.calm,
            lasts=strike.lasts,
            recording=recording,
            wrong=wrong,
        )


def wrong_in(result: Result) -> tuple[str, ...]:
    """What ends a soak: violated invariants and expectations that were not met."""
    return (*(f"{violation.name}: {violation.sentence}" for violation in result.violations), *result.unmet)
