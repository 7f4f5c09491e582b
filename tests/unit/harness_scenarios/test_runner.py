"""A run: its steps in order, everything recorded, healed and restored whatever happens."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest

from pgpool_lab.errors import LabError
from pgpool_lab.harness import ledger
from pgpool_lab.harness.control import Control, Moment
from pgpool_lab.harness.faults import FAULTS, Injector, Record
from pgpool_lab.harness.samples import NodeSample, VipSample
from pgpool_lab.harness.scenarios import Runner, Scenario, ScenarioRun, runner
from pgpool_lab.harness.scenarios.expectations import Evidence
from pgpool_lab.harness.scenarios.model import (
    Arrangement,
    Await,
    Heal,
    Inject,
    InjectOn,
    Restore,
    Role,
    Step,
    Switchover,
    Watch,
)
from pgpool_lab.harness.timing import longest_round_seconds
from tests.unit.harness_faults.fakes import OUTPUTS, FakeControl
from tests.unit.harness_scenarios import seen

Lab = dict[str, NodeSample]
NAMES = ["node0", "node1", "node2"]


class Seen:
    """What the fake observer sees: changed by what is done to the fake lab."""

    def __init__(self) -> None:
        self.holder, self.primary = "node0", "node0"
        self.clock = 1000.0
        self.history: list[NodeSample] = []
        self.unwatched = False
        self.unsaid = 0
        """How many more times the primary does not answer."""

    def passes(self, seconds: float) -> None:
        self.history += self.latest().values()
        self.unsaid -= 1
        self.clock += seconds

    def latest(self) -> Lab:
        known = seen.healthy(holder="-", primary="-", at=self.clock)
        renamed = {}
        for name, one in zip(NAMES, known.values(), strict=True):
            assert one.postgres is not None
            silent = name == self.primary and self.unsaid > 0
            postgres = one.postgres.model_copy(
                update={
                    "in_recovery": None if silent else name != self.primary,
                    "accepts_writes": name == self.primary,
                    "streaming_from": None if name == self.primary else self.primary,
                }
            )
            renamed[name] = one.model_copy(
                update={"node": name, "holds_vip": name == self.holder, "postgres": postgres}
            )
        return renamed


class FakeObserver:
    seen: Seen

    def __init__(self, outputs: object) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *arguments: object) -> None:
        pass

    def samples(self) -> list[Any]:
        return [*self.seen.history, *self.seen.latest().values()]

    def latest(self) -> Lab:
        return self.seen.latest()

    def check(self) -> None:
        if self.seen.unwatched:
            raise LabError("node2 is no longer watched")

    def latest_vip(self) -> VipSample:
        mac = next((node.mac for node in OUTPUTS.nodes if node.name == self.seen.holder), None)
        return VipSample(earliest=0.0, latest=0.0, wall=0.0, mac=mac)

    def place(self, node: str, moment: Moment) -> tuple[float, float]:
        return self.seen.clock, self.seen.clock


class FakeWorkload:
    names = ("w",)
    readers = ()

    def __init__(self, seen: Seen) -> None:
        self._seen, self.calls = seen, list[str]()
        self.sent: float | None = None
        """When the only row was sent; None: just now."""

    def start(self) -> None:
        self.calls.append("start")

    def stop(self) -> ledger.Ledger:
        self.calls.append("stop")
        return self.ledger()

    def ledger(self) -> ledger.Ledger:
        now = self._seen.clock if self.sent is None else self.sent
        write = ledger.Write(client="w", sent=now, done=now, error=None, number=1, outcome="acknowledged")
        return ledger.of([write])


class FakeStage:
    rewind_seconds = None
    rewind_failure = ""
    begins_alike = True

    def __init__(self) -> None:
        self.prepared: list[Arrangement] = []

    def prepare(self, begins: Arrangement) -> None:
        self.prepared.append(begins)


class Bench:
    """A runner on a lab that is not there."""

    def __init__(self, record: Record, seen: Seen) -> None:
        self.seen, self.record = seen, record
        self.control = FakeControl(self.says)
        self.workload, self.stage = FakeWorkload(seen), FakeStage()
        self.when: dict[str, Callable[[], None]] = {}
        self.told: list[str] = []

    def says(self, node: str, what: str) -> str:
        """Faults take effect at once; `when` says what follows from a script that contains its key."""
        for part, follow in self.when.items():
            if part in what:
                follow()
        return '{"postgres": {"streaming_from": "node0"}}' if "facts" in what else "shows"

    def run(self, *steps: Step) -> ScenarioRun:
        return self.perform(Scenario("test", "a test", Arrangement.TOGETHER, steps))

    def perform(self, scenario: Scenario) -> ScenarioRun:
        return Runner(
            "two-node",
            self.control,
            Injector(self.control, self.record),
            self.stage,
            lambda: self.workload,
            self.told.append,
        ).run(scenario)

    def fails_over(self) -> None:
        self.seen.primary = "node1"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    seen = Seen()
    monkeypatch.setattr(FakeObserver, "seen", seen, raising=False)
    monkeypatch.setattr(runner, "Observer", FakeObserver)

    monkeypatch.setattr(time, "sleep", seen.passes)
    monkeypatch.setattr(time, "monotonic", lambda: seen.clock)
    made = Bench(Record(tmp_path / "faults" / "injected.json"), seen)

    monkeypatch.setattr(runner, "full_samples", lambda outputs: [seen.latest()["node2"]])

    def restored(control: Control) -> list[str]:
        made.control.done.append(("lab", "restore"))
        return []

    monkeypatch.setattr(runner, "restore", restored)
    return made


KILL = Inject("postgresql-kill", Role.PRIMARY)


def test_a_run_strikes_at_any_moment_of_pgpool_s_rounds(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    struck: list[float] = []
    for part in (0.0, 1.0):
        monkeypatch.setattr(random, "uniform", lambda low, high, part=part: low + part * (high - low))
        result = bench.run(KILL, Heal(), Restore())
        struck.append(result.events[0].earliest - result.began)
    assert struck[1] - struck[0] == pytest.approx(longest_round_seconds(OUTPUTS.timings))


def test_a_run_on_a_lab_that_is_taken_as_it_is_strikes_when_its_plan_says(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: pytest.fail("the moment is left to chance"))
    bench.stage.begins_alike = False
    assert bench.run(KILL, Heal(), Restore()).events


def test_a_fulfilled_run_says_what_was_done_and_when_and_who_had_which_role(bench: Bench) -> None:
    bench.when = {"cgroup.kill": bench.fails_over}
    result = bench.run(KILL, Await(("primary-changes", "vip-stays", "writes-flow"), 30), Heal(), Restore())
    assert (result.failure, result.restored) == ("", True), bench.told
    assert (result.holder, result.primary) == ("node0", "node0")
    assert [(event.kind, event.name, event.nodes) for event in result.events] == [
        ("fault", "postgresql-kill", ("node0",)),
        ("heal", "heal", ("node0",)),
        ("restore", "restore", tuple(NAMES)),
    ]
    assert [outcome.unmet for outcome in result.outcomes] == ["", "", ""]
    assert bench.workload.calls == ["start", "stop"]
    assert bench.stage.prepared == [Arrangement.TOGETHER]
    assert isinstance(last := result.samples[-1], NodeSample) and last.node == "node2"
    assert ScenarioRun.model_validate_json(result.model_dump_json()) == result


def test_an_expectation_that_does_not_come_true_ends_the_run_and_the_lab_is_restored(bench: Bench) -> None:
    result = bench.run(KILL, Await(("primary-changes", "vip-stays"), 30), Switchover(), Restore())
    assert result.failure
    assert {outcome.expectation: outcome.unmet for outcome in result.outcomes} == {
        "primary-changes": "still node0",
        "vip-stays": "",
    }
    assert result.outcomes[0].after_seconds == pytest.approx(30, abs=1)
    assert "switchover" not in [event.kind for event in result.events]
    assert (result.restored, bench.control.done[-1]) == (True, ("lab", "restore"))
    assert bench.record.entries() == []


def test_a_lab_that_was_restored_after_the_last_fault_is_not_restored_again(bench: Bench) -> None:
    for steps, times in (((KILL, Heal(), Restore(), Watch(3)), 1), ((KILL, Restore(), KILL, Watch(3)), 2)):
        bench.control.done.clear()
        bench.seen.primary = "node0"
        assert bench.run(*steps).restored
        assert bench.control.done.count(("lab", "restore")) == times


def test_a_second_step_strikes_whoever_has_the_role_by_then(bench: Bench) -> None:
    bench.when = {"cgroup.kill": bench.fails_over}
    result = bench.run(KILL, Await(("primary-changes",), 30), KILL, Await(("primary-stays",), 5), Restore())
    struck = [(event.nodes, event.primaries) for event in result.events if event.kind == "fault"]
    assert struck == [(("node0",), ("node0",)), (("node1",), ("node1",))]
    assert (result.failure, result.restored) == ("", True)


def test_writes_by_another_way_than_the_virtual_ip_do_not_flow_through_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = bench.workload.ledger
    writes = [write.model_copy(update={"way": "all"}) for write in whole().writes]
    monkeypatch.setattr(bench.workload, "ledger", lambda: ledger.of(writes))
    result = bench.run(KILL, Await(("writes-flow",), 5), Restore())
    assert result.outcomes[0].unmet == "no write was acknowledged"


def test_a_line_is_told_before_time_passes_and_before_the_lab_is_restored(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, float, bool]] = []
    monkeypatch.setattr(
        bench, "told", SimpleNamespace(append=lambda line: told.append((line, bench.seen.clock, restored(bench))))
    )
    result = bench.run(Watch(7), Restore())
    (watching,) = [moment for moment in told if moment[0].startswith(runner.WATCHING)]
    (restoring,) = [moment for moment in told if moment[0].startswith(runner.RESTORING)]
    assert restoring[1] - watching[1] == 7
    assert (result.restored, restoring[2], restored(bench)) == (True, False, True)


def restored(bench: Bench) -> bool:
    return ("lab", "restore") in bench.control.done


def test_a_fault_strikes_the_named_node_whatever_its_role(bench: Bench) -> None:
    result = bench.run(InjectOn("postgresql-kill", "node2"), Await(("primary-stays",), 5), Restore())
    struck = result.events[0]
    assert (struck.kind, struck.nodes, struck.primaries) == ("fault", ("node2",), ("node0",))
    assert (result.failure, result.restored) == ("", True)


def test_what_is_measured_begins_with_a_fault_and_ends_with_the_next_thing_done(bench: Bench) -> None:
    bench.when = {"cgroup.kill": bench.fails_over}
    result = bench.run(
        Inject("base-backup", Role.STANDBY),
        KILL,
        Await(("primary-changes",), 30),
        Watch(7),
        KILL,
        Watch(3),
        Heal(),
        Restore(),
    )
    events = {(event.step, event.kind): event.earliest for event in result.events}
    assert result.windows == {
        1: (events[1, "fault"], events[4, "fault"]),
        4: (events[4, "fault"], events[6, "heal"]),
    }


def test_a_fault_on_several_nodes_is_measured_once_from_the_first(bench: Bench) -> None:
    result = bench.run(Inject("postgresql-hang", Role.ALL), Watch(3), Restore())
    (window,) = result.windows.values()
    assert window[0] == min(event.earliest for event in result.events)
    assert [event.nodes for event in result.events if event.kind == "fault"] == [(name,) for name in NAMES]


def test_a_fault_that_does_not_take_effect_fails_the_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.control.says = lambda node, what: ""
    result = bench.run(KILL, Await(("primary-stays",), 5), Restore())
    assert "did not take effect" in result.failure
    assert result.outcomes == ()
    assert bench.record.entries() == []


def test_a_lab_that_is_not_restored_is_no_fulfilled_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(control: Control) -> list[str]:
        raise LabError("two primaries")

    monkeypatch.setattr(runner, "restore", refused)
    result = bench.run(KILL, Restore())
    assert (result.restored, result.failure) == (False, "two primaries")


def test_an_interrupt_heals_and_stops_the_workload(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(seconds: float) -> None:
        if bench.record.entries():
            raise KeyboardInterrupt
        bench.seen.clock += seconds

    monkeypatch.setattr(time, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bench.run(KILL, Await(("primary-changes",), 30))
    assert bench.workload.calls == ["start", "stop"]
    assert bench.record.entries() == []


def test_a_scenario_for_more_nodes_than_there_are_is_refused_before_anything_is_done(bench: Bench) -> None:
    scenario = Scenario("big", "big", Arrangement.TOGETHER, (KILL,), nodes=4)
    with pytest.raises(LabError, match="4 nodes"):
        Runner(
            "two-node",
            bench.control,
            Injector(bench.control, bench.record),
            bench.stage,
            lambda: bench.workload,
            bench.told.append,
        ).run(scenario)
    assert (bench.stage.prepared, bench.control.done) == ([], [])


def test_a_lab_whose_roles_lie_otherwise_is_not_broken(bench: Bench) -> None:
    bench.seen.primary = "node1"
    with pytest.raises(LabError, match="the holder of the virtual IP is the primary"):
        bench.run(KILL)
    assert bench.control.done == []


def test_writes_are_not_awaited_where_synchronous_replication_blocks_them() -> None:
    all_of_them = ["vip-moves", "writes-flow", "clients-back"]
    assert runner.possible(all_of_them, waits=True, splits=False) == ["vip-moves", "readers-back"]
    assert runner.possible(all_of_them, waits=False, splits=False) == all_of_them


def test_of_nodes_that_may_have_split_nothing_is_expected_until_they_are_joined_again(bench: Bench) -> None:
    never = Await(("primary-changes",), 1)
    steps = (InjectOn("partition", "node0"), never, Heal(), Restore())
    cut = Scenario("test", "a test", Arrangement.TOGETHER, steps, may_split=True)
    assert [one.unmet for one in bench.perform(cut).outcomes] == ["still node0"], "three have a majority"
    bench.control.outputs = OUTPUTS.model_copy(update={"nodes": OUTPUTS.nodes[:2]})
    assert bench.perform(cut).outcomes == ()
    late = replace(cut, steps=(*steps, never))
    assert [one.unmet for one in bench.perform(late).outcomes] == ["still node0"]


def test_a_run_awaits_no_writes_from_a_fault_that_takes_the_last_standby_until_all_is_restored(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def possible(names: Sequence[str], *, waits: bool, splits: bool) -> Sequence[str]:
        asked.append(waits)
        return names

    monkeypatch.setattr(runner, "possible", possible)
    bench.control.outputs = OUTPUTS.model_copy(update={"replication": "sync"})
    await_writes = Await(("writes-flow",), 5)
    bench.run(
        InjectOn("pgpool-kill", "node2"),
        InjectOn("postgresql-kill", "node1"),
        await_writes,
        InjectOn("postgresql-kill", "node2"),
        await_writes,
        Heal(),
        await_writes,
        Restore(),
        await_writes,
    )
    assert asked == [False, True, True, False]
    # That no write is acknowledged is looked at for a while, before and after healing.
    assert bench.told.count(f"{runner.WATCHING} for 10 s") == 2


def test_a_client_is_back_with_what_it_began_after_the_fault_only(bench: Bench) -> None:
    bench.when = {"cgroup.kill": lambda: setattr(bench.workload, "sent", bench.seen.clock - 1)}
    result = bench.run(KILL, Await(("clients-back", "writes-flow"), 5), Restore())
    assert {outcome.expectation: outcome.unmet for outcome in result.outcomes} == {
        "clients-back": "w did not get in again",
        "writes-flow": "no write was acknowledged",
    }


def test_a_client_that_succeeded_only_as_the_fault_took_effect_is_not_back(bench: Bench) -> None:
    bench.when = {"cgroup.kill": lambda: setattr(bench.workload, "sent", bench.seen.clock)}
    result = bench.run(KILL, Await(("clients-back", "primary-changes"), 5), Restore())
    assert {outcome.expectation: outcome.unmet for outcome in result.outcomes}["clients-back"] == (
        "w did not get in again"
    )


def test_a_lab_that_lets_a_client_in_never_is_not_broken(bench: Bench) -> None:
    bench.workload.sent = 0.0
    with pytest.raises(LabError, match="every client gets in"):
        bench.run(KILL)
    assert bench.control.done == []


class Telling(list[str]):
    """Lines that something follows from."""

    def __init__(self, follow: Callable[[str], None]) -> None:
        super().__init__()
        self._follow = follow

    def append(self, line: str) -> None:
        super().append(line)
        self._follow(line)


def test_the_roles_before_a_step_are_waited_for_when_a_busy_node_does_not_say(bench: Bench) -> None:
    bench.when = {"cgroup.kill": bench.fails_over}
    watched = Watch(7)
    bench.told = Telling(lambda line: setattr(bench.seen, "unsaid", 20 if "watching" in line else bench.seen.unsaid))
    result = bench.run(watched, InjectOn("postgresql-kill", "node0"), Await(("primary-changes",), 30), Restore())
    assert [event.primaries for event in result.events] == [("node0",), ("node1",)]
    assert (result.failure, result.restored) == ("", True)


def test_a_run_that_was_no_longer_watched_is_no_run_and_the_lab_is_restored(bench: Bench) -> None:
    bench.when = {"cgroup.kill": lambda: setattr(bench.seen, "unwatched", True)}
    with pytest.raises(LabError, match="no longer watched"):
        bench.run(KILL, Await(("primary-changes",), 30))
    assert restored(bench)
    assert bench.record.entries() == []


def test_what_takes_nothing_strikes_nobody(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the nodes that only have a load would have to be believed down."""
    held: list[tuple[str, ...]] = []

    def unmet(names: Sequence[str], evidence: Evidence) -> Mapping[str, str]:
        held.append(evidence.targets)
        return {}

    monkeypatch.setattr(runner, "unmet", unmet)
    bench.run(Inject("base-backup", Role.STANDBY), KILL, Await(("target-believed-down",), 5), Restore())
    assert held == [("node0",)]


def test_the_fault_of_the_tests_is_the_table_s() -> None:
    assert KILL.fault in FAULTS
