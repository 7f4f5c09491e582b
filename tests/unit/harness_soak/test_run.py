"""A soak on a lab that is not there: it goes on until time is up or something is wrong, and says where."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from pgpool_lab.errors import LabError
from pgpool_lab.harness.invariants.model import Violation
from pgpool_lab.harness.result import Result
from pgpool_lab.harness.scenarios import Scenario
from pgpool_lab.harness.scenarios.model import Arrangement
from pgpool_lab.harness.scenarios.stage import AsItIs, Rewinding
from pgpool_lab.harness.soak import Soak, SoakResult, run
from pgpool_lab.harness.soak.plan import strikes
from pgpool_lab.waiting import NotInTime
from tests.unit.harness.synthetic import recording
from tests.unit.harness_faults.fakes import OUTPUTS

STRIKE_SECONDS = 100.0
NODES = [node.name for node in OUTPUTS.nodes]
GOOD = recording().result
VIOLATED = GOOD.model_copy(
    update={"violations": (Violation(name="one holder", at=1.0, sentence="two", evidence=()),), "passed": False}
)
UNMET = GOOD.model_copy(update={"unmet": ("vip-moves: still on node0",), "passed": False})
SLOW = GOOD.model_copy(update={"passed": False})


class Bench:
    """Trials that give what they are told to, and a clock that they move."""

    def __init__(self, reports: Path) -> None:
        self.reports, self.clock = reports, 0.0
        self.ran: list[str] = []
        self.outcome: Callable[[int], Result] = lambda count: GOOD
        self.stage: object = None
        self.began: list[Arrangement] = []

    def trials(self, *arguments: Any, stage: object) -> Bench:
        self.stage = stage
        return self

    def run(self, scenario: Scenario) -> Result:
        self.clock += STRIKE_SECONDS
        self.ran.append(scenario.name)
        return self.outcome(len(self.ran))

    def folder(self, scenario: Scenario) -> Path:
        return self.reports / f"three-node.{scenario.name}"

    def soak(self) -> Soak:
        return Soak("three-node", OUTPUTS, self.reports / "faults", self.reports, print)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    monkeypatch.setattr(run, "Trials", made.trials)
    monkeypatch.setattr(Rewinding, "prepare", lambda stage, begins: made.began.append(begins))
    monkeypatch.setattr(run, "roles", lambda control: ("node0", "node1"))
    monkeypatch.setattr(time, "monotonic", lambda: made.clock)
    return made


def written(bench: Bench) -> SoakResult:
    return SoakResult.model_validate_json((bench.reports / "soak.json").read_text())


def test_it_follows_the_plan_from_the_snapshot_until_time_is_up_without_rewinding(bench: Bench) -> None:
    soak = bench.soak()
    result = soak.run(7, 5)
    planned = list(islice(strikes(7, NODES), 3))
    assert [(one.position, one.fault, one.node, one.calm, one.lasts) for one in result.strikes] == [
        (one.position, one.fault, one.node, one.calm, one.lasts) for one in planned
    ]
    assert bench.ran == [f"soak-{one.position:03d}-{one.fault}-on-{one.node}" for one in planned]
    assert (result.passed, result.seconds, len(soak.results)) == (True, 300, 3)
    assert result.strikes[0].recording == f"three-node.{bench.ran[0]}"
    assert (bench.began, {(one.holder, one.primary) for one in result.strikes}) == (
        [Arrangement.TOGETHER],
        {("node0", "node1")},
    )
    assert isinstance(bench.stage, AsItIs)
    assert written(bench) == result


WRONG: dict[str, tuple[Result | Exception, str]] = {
    "a violation": (VIOLATED, "one holder: two"),
    "an expectation that is not met": (UNMET, "vip-moves: still on node0"),
    "a run that could not be made": (LabError("no sample from node0"), "no sample from node0"),
    "a client that did not end": (NotInTime("writer0 did not end"), "writer0 did not end"),
    "no way in": (psycopg2.OperationalError("server closed\n\tthe connection"), "server closed the connection"),
}


@pytest.mark.parametrize(("second", "why"), WRONG.values(), ids=WRONG.keys())
def test_it_stops_at_the_first_thing_that_is_wrong_and_says_where(
    second: Result | Exception, why: str, bench: Bench
) -> None:
    def outcome(count: int) -> Result:
        if count == 2 and isinstance(second, Exception):
            raise second
        return second if count == 2 and isinstance(second, Result) else GOOD

    bench.outcome = outcome
    result = bench.soak().run(7, 60)
    assert (len(result.strikes), result.passed, result.strikes[-1].wrong) == (2, False, (why,))
    struck = result.strikes[-1]
    assert result.verdict == f"seed 7: fault 2, {struck.fault} on {struck.node}, after 3 minutes: {why}"
    assert bool(struck.recording) == isinstance(second, Result)
    assert written(bench) == result


def test_what_only_took_long_is_in_the_recording_and_ends_nothing(bench: Bench) -> None:
    bench.outcome = lambda count: SLOW
    assert bench.soak().run(7, 5).passed


def test_what_was_done_is_written_down_when_the_next_is_interrupted(bench: Bench) -> None:
    def outcome(count: int) -> Result:
        if count == 3:
            raise KeyboardInterrupt
        return GOOD

    bench.outcome = outcome
    with pytest.raises(KeyboardInterrupt):
        bench.soak().run(7, 60)
    assert [one.position for one in written(bench).strikes] == [1, 2]


def test_a_lab_that_cannot_be_brought_to_health_is_not_struck(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(stage: object, begins: object) -> None:
        raise LabError("two primaries")

    monkeypatch.setattr(Rewinding, "prepare", refused)
    with pytest.raises(LabError, match="two primaries"):
        bench.soak().run(7, 5)
    assert bench.ran == []
