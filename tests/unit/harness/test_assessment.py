"""From a scenario's run to its verdict, with a run that never happened: a host dies and comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pgpool_lab import waiting
from pgpool_lab.cluster.outputs import LabOutputs
from pgpool_lab.errors import LabError
from pgpool_lab.harness import assessment
from pgpool_lab.harness.assessment import NEITHER, STOPPED, Place, assess, evidence_of, watched_on
from pgpool_lab.harness.bounds import FOLLOWING_SECONDS, Bounds, Struck, bounds
from pgpool_lab.harness.comparison import compare
from pgpool_lab.harness.faults import FAULTS
from pgpool_lab.harness.invariants.model import ALONE_SECONDS, TOLD_SECONDS, UNAWARE_SECONDS, Resumption, Rows
from pgpool_lab.harness.machine import Machine
from pgpool_lab.harness.measures import Gap, Measures, Window
from pgpool_lab.harness.result import Result
from pgpool_lab.harness.samples import Sample
from pgpool_lab.harness.scenarios import ScenarioRun, runner
from pgpool_lab.harness.scenarios.losses import losses_of
from pgpool_lab.harness.scenarios.run import Event, Kind, Outcome
from tests.unit import lab_outputs
from tests.unit.harness import runs
from tests.unit.harness.synthetic import END, FAULT, MACS, NAMES, REPAIR, TIMINGS, ledger, samples

MACHINE = Machine(
    processor="AMD EPYC 9R14", cores=2, memory_mib=7900, kernel="6.1.0", domain_type="qemu", node_processors=1
)
NUMBERS = tuple(write.number for write in ledger().acknowledged)
LATE = max(write.number for write in ledger().acknowledged if write.done is not None and write.done < FAULT - 1)
"""A row that was acknowledged a second before the fault."""


def outputs(replication: str = "async", nodes: int = 3, **timings: int) -> LabOutputs:
    """A lab of the synthetic run's nodes."""
    made = [
        lab_outputs.node(name, index, 133 + index) | {"mac": MACS[name]} for index, name in enumerate(NAMES[:nodes])
    ]
    return LabOutputs.model_validate(
        lab_outputs.values() | {"nodes": made, "timings": TIMINGS | timings, "replication": replication}
    )


def event(
    name: str = "machine-power-off",
    *nodes: str,
    kind: Kind = "fault",
    step: int = 0,
    at: float = FAULT,
    holder: str = "node0",
    primary: str = "node0",
) -> Event:
    return Event(
        kind=kind,
        step=step,
        name=name,
        nodes=nodes or ("node0",),
        holders=(holder,),
        primaries=(primary,),
        earliest=at,
        latest=at + 0.2,
    )


HEAL = event("heal", kind="heal", step=2, at=REPAIR)
RESTORE = event("restore", *NAMES, kind="restore", step=3, at=REPAIR + 10)


def run(*events: Event, **changed: Any) -> ScenarioRun:
    """The synthetic run as the runner gives it."""
    given: dict[str, Any] = {
        "scenario": "procedure-3",
        "sentence": "the host of primary and virtual IP goes down",
        "stack": "three-node",
        "holder": "node0",
        "primary": "node0",
        "may_split": False,
        "began": 1000.0,
        "ended": END,
        "wall": runs.WALL + 1000,
        "events": events or (event(), HEAL, RESTORE),
        "outcomes": (Outcome(expectation="vip-moves", unmet="", after_seconds=20.0),),
        "failure": "",
        "restored": True,
        "samples": tuple(samples()),
        "ledger": ledger(),
    }
    return ScenarioRun(**{**given, **changed})


def judged(made: ScenarioRun, lab: LabOutputs | None = None, rows: Mapping[str, Rows | None] | None = None) -> Result:
    place = Place(outputs=lab or outputs(), preset="fast", machine=MACHINE)
    return assess(made, place, dict.fromkeys(NAMES, NUMBERS) if rows is None else rows).result


def test_a_read_may_be_behind_for_as_long_as_this_lab_s_pgpool_does_not_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(waiting.VARIABLE, "2")
    assert evidence_of(run(), outputs(sr_check_period=10), {}).expected.delay_seconds == 2 * (10 + 5)


def bounds_in(result: Result, episode: int = 0) -> dict[str, float | None]:
    return {one.name: None if one.bound is None else one.bound.seconds for one in result.episodes[episode].comparisons}


def test_a_run_that_went_well_passes_and_says_what_was_struck_where_and_when() -> None:
    result = judged(run())
    assert (result.unmet, result.violations, result.passed) == ((), (), True)
    (episode,) = result.episodes
    assert (episode.name, episode.nodes, episode.fault, episode.end) == (
        "machine-power-off",
        ("node0",),
        FAULT,
        REPAIR,
    )
    assert (result.times.begin, result.times.repair, result.times.end) == (1000, REPAIR, END)
    assert (result.subject.preset, result.subject.macs) == ("fast", MACS)


def test_a_primary_that_was_paused_is_excused_from_when_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(waiting.VARIABLE, "3")
    paused = event("machine-pause", at=FAULT)
    made = run(paused, event("heal", "node4", kind="heal", step=1, at=REPAIR - 9), HEAL, RESTORE)
    expected = evidence_of(made, outputs(), {}).expected
    excused = Resumption("node0", HEAL.earliest, HEAL.latest + 3 * UNAWARE_SECONDS)
    assert expected.resumed == (excused,)
    assert expected.losable[-1] == (excused.earliest, excused.told)


@pytest.mark.parametrize("fault", [event(), event("machine-pause", primary="node4")], ids=["off", "a standby"])
def test_nobody_else_is_excused(fault: Event) -> None:
    expected = evidence_of(run(fault, HEAL, RESTORE), outputs(), {}).expected
    assert expected.resumed == ()
    assert all(end < HEAL.earliest for _, end in expected.losable)


def test_the_bounds_are_those_of_the_fault_on_its_roles_with_the_one_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(waiting.VARIABLE, "2")
    struck = Struck(primary="silent", holder="silent")
    expected = bounds(TIMINGS, members=3, asks_again=True, struck=struck, watched=watched_on(3), multiplier=2.0)
    found = bounds_in(judged(run()))
    assert found["write outage"] == pytest.approx(expected.write_outage and expected.write_outage.seconds)
    assert found["detection"] == pytest.approx(expected.detection_seconds and expected.detection_seconds.seconds)


def test_two_nodes_with_a_witness_elect_as_three_do() -> None:
    two = outputs(nodes=2)
    witness = LabOutputs.model_validate(two.model_dump(mode="json") | {"witness": lab_outputs.witness()})
    terms = {}
    for name, lab in (("two", two), ("witness", witness), ("three", outputs())):
        found = assessment.bounds_of(event(), ("node0",), ("node0",), lab)
        assert found is not None and found.vip_outage is not None
        terms[name] = [term.what for term in found.vip_outage.terms]
    assert terms["witness"] == terms["three"] != terms["two"]
    assessment.check(witness)


def apart(name: str, node: str) -> Event:
    """A fault on one of two nodes of which node0 is primary and node4 the holder."""
    return event(name, node, holder="node4", primary="node0")


STRUCK: dict[str, tuple[Event, Struck | None]] = {
    "pgpool stopped on both roles": (event("pgpool-stop"), Struck(holder="announced", pgpool_alone=True)),
    "pgpool killed on the holder": (apart("pgpool-kill", "node4"), Struck(holder="silent", pgpool_alone=True)),
    "pgpool killed on the primary alone": (apart("pgpool-kill", "node0"), Struck(pgpool_alone=True)),
    "PostgreSQL stopped": (event("postgresql-stop-fast"), Struck(primary="refuses")),
    "PostgreSQL hangs": (event("postgresql-hang"), Struck(primary="silent")),
    "PostgreSQL hangs on a standby that is the holder": (apart("postgresql-hang", "node4"), Struck(standby="silent")),
    "host reboots": (event("machine-reboot"), Struck(primary="silent", holder="announced")),
    "holder loses its power": (apart("machine-power-off", "node4"), Struck(holder="silent", standby="silent")),
    "primary loses its power": (apart("machine-power-off", "node0"), Struck(primary="silent")),
    "standby loses its power": (event("machine-power-off", "node5"), Struck(standby="silent")),
    "nobody knows": (event("partition"), None),
    "nothing is lost": (event("base-backup", kind="load"), None),
    "no fault": (event("switchover", "node4", kind="switchover"), None),
}


@pytest.mark.parametrize(("given", "expected"), STRUCK.values(), ids=STRUCK.keys())
def test_what_is_struck_follows_from_the_fault_and_from_who_had_which_role(
    given: Event, expected: Struck | None
) -> None:
    assert assessment.struck_by(losses_of(given), given, given.nodes) == expected
    assert (assessment.bounds_of(given, given.nodes, (), outputs()) is None) == (expected is None)


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("node", NAMES)
def test_every_fault_on_any_node_has_bounds_or_an_open_outcome(name: str, node: str) -> None:
    losses = FAULTS[name].losses
    found = assessment.bounds_of(event(name, node), (node,), (), outputs())
    open_or_nothing = losses is None or (losses.pgpool is None and losses.postgresql is None)
    assert (found is None) == open_or_nothing


def test_when_all_nodes_are_struck_nobody_is_left_to_fail_over_to() -> None:
    off = [event("machine-power-off", name) for name in NAMES]
    result = judged(run(*off, HEAL, RESTORE))
    assert [(episode.nodes, set(bounds_in(result).values())) for episode in result.episodes] == [(NAMES, {None})]


def test_two_faults_are_two_episodes_and_the_second_strikes_who_has_the_role_by_then() -> None:
    second = event("pgpool-stop", "node4", step=1, at=1055, holder="node4", primary="node4")
    result = judged(run(event(), second, HEAL, RESTORE))
    assert [(one.name, one.nodes, one.fault, one.end) for one in result.episodes] == [
        ("machine-power-off", ("node0",), FAULT, 1055),
        ("pgpool-stop", ("node4",), 1055, REPAIR),
    ]
    assert (bounds_in(result, 0)["promotion"] is None, bounds_in(result, 1)["promotion"] is None) == (False, True)


def write_bound(found: Bounds | None) -> float | None:
    assert found is not None and found.read_outage.seconds > 0
    assert (found.write_outage is None) == (found.write_outage_by_dsn_all is None)
    return None if found.write_outage is None else found.write_outage.seconds


FIRST, SECOND = event(), event("postgresql-kill", "node4", step=1, at=1055, holder="node4", primary="node4")
BOUNDED: dict[str, tuple[LabOutputs, tuple[Event, ...], list[bool]]] = {
    "one of two, confirmed": (outputs("sync", nodes=2), (FIRST,), [False]),
    "one of two": (outputs(nodes=2), (FIRST,), [True]),
    "pgpool alone of two, confirmed": (outputs("sync", nodes=2), (event("pgpool-stop"),), [True]),
    "two of three, confirmed": (outputs("sync"), (FIRST, SECOND), [True, False]),
    "two of three": (outputs(), (FIRST, SECOND), [True, True]),
}


@pytest.mark.parametrize(("lab", "faults", "bounded"), BOUNDED.values(), ids=BOUNDED.keys())
def test_writes_that_nobody_is_left_to_confirm_have_no_bound(
    lab: LabOutputs, faults: tuple[Event, ...], bounded: list[bool]
) -> None:
    made = run(*faults, HEAL, RESTORE)
    assert [write_bound(one.bounds) is not None for one in assessment.disturbances_of(made, lab)] == bounded


def test_commits_that_wait_for_a_standby_wait_until_one_follows_the_new_primary() -> None:
    power, pgpool = event(), event("pgpool-stop")
    sync, alone = outputs("sync"), outputs()
    waits = [assessment.bounds_of(power, power.nodes, power.nodes, lab) for lab in (sync, alone)]
    longer, shorter = write_bound(waits[0]), write_bound(waits[1])
    assert longer and shorter and longer - shorter == pytest.approx(FOLLOWING_SECONDS)
    assert waits[0] and waits[1] and waits[0].read_outage == waits[1].read_outage
    of_pgpool = [assessment.bounds_of(pgpool, pgpool.nodes, (), lab) for lab in (sync, alone)]
    assert of_pgpool[0] == of_pgpool[1]


LOSING: dict[str, tuple[Event, bool]] = {
    "a dead host": (event(), True),
    "a killed primary": (event("postgresql-kill"), True),
    "the primary is cut off": (event("partition"), True),
    "a standby is": (event("partition", "node5"), False),
    "an orderly stop": (event("postgresql-stop-fast"), False),
    "a lost pgpool": (event("pgpool-kill"), False),
    "a dead standby": (event("machine-power-off", "node5"), False),
    "the primary's clock": (event("clock-back"), True),
    "a standby's clock": (event("clock-back", "node5"), False),
    "a switchover": (event("switchover", "node4", kind="switchover"), False),
}


@pytest.mark.parametrize(("given", "may_lose"), LOSING.values(), ids=LOSING.keys())
def test_rows_may_be_lost_only_where_a_primary_takes_them_with_it(given: Event, may_lose: bool) -> None:
    made = run(given, HEAL, RESTORE)
    rows = dict.fromkeys(NAMES, tuple(number for number in NUMBERS if number != LATE))
    found = {one.name for one in judged(made, rows=rows).violations}
    assert ("acknowledged rows" in found) == (not may_lose)
    assert judged(made, rows=rows).counts.lost == (LATE,)
    sync = {one.name for one in judged(made, outputs("sync"), rows).violations}
    assert "acknowledged rows" in sync


EXCUSED: dict[str, tuple[Event, float, bool]] = {
    "acknowledged long before the fault": (event(), FAULT - 15, False),
    "acknowledged some seconds before it": (event(), FAULT - 5, False),
    "acknowledged just before it": (event(), FAULT - 2, True),
    "acknowledged by the new primary": (event(), 1060, False),
    "acknowledged by the new primary, when the old one is cut off": (event("partition"), 1060, False),
}


@pytest.mark.parametrize(("given", "moment", "may_lose"), EXCUSED.values(), ids=EXCUSED.keys())
def test_rows_may_be_lost_only_around_the_fault_that_takes_them(given: Event, moment: float, may_lose: bool) -> None:
    number = next(write.number for write in ledger().acknowledged if write.sent >= moment)
    rows = dict.fromkeys(NAMES, tuple(each for each in NUMBERS if each != number))
    found = {one.name for one in judged(run(given, HEAL, RESTORE), rows=rows).violations}
    assert ("acknowledged rows" in found) == (not may_lose)


@pytest.mark.parametrize(("moment", "may_lose"), [(1060, True), (1090, False)], ids=["split", "restored"])
@pytest.mark.parametrize("node", ["node0", "node5"])
def test_either_half_of_nodes_that_split_may_lose_rows_until_all_is_restored(
    node: str, moment: float, may_lose: bool
) -> None:
    number = next(write.number for write in ledger().acknowledged if write.sent >= moment)
    rows = dict.fromkeys(NAMES, tuple(each for each in NUMBERS if each != number))
    made = run(event("partition", node), HEAL, RESTORE, may_split=True)
    found = {one.name for one in judged(made, rows=rows).violations}
    assert ("acknowledged rows" in found) == (not may_lose)


LONG = Gap(begin=FAULT - 1, end=FAULT + 60, over=True)


@pytest.mark.parametrize("name", ["pgpool-kill", "postgresql-kill", "machine-power-off"])
def test_clients_may_not_be_out_for_as_long_as_they_like_when_a_standby_s_node_is_struck(name: str) -> None:
    found = assessment.bounds_of(event(name, "node5"), ("node5",), ("node5",), outputs())
    assert found is not None
    nothing = {field: None for field in Measures.model_fields}
    felt = Measures.model_validate(nothing | {"read_outage": LONG, "write_outage": LONG})
    assert {one.name for one in compare(felt, found) if not one.within} == {"read outage", "write outage"}
    assert (found.vip_outage, found.promotion_seconds, found.takeover_seconds) == (None, None, None)
    assert (found.belief_seconds is None) == (name == "pgpool-kill")


def test_nothing_may_be_lost_when_all_nodes_lose_their_power_at_once() -> None:
    """The primary starts again with all that it has written."""
    off = [event("machine-power-off", name) for name in NAMES]
    rows = dict.fromkeys(NAMES, tuple(number for number in NUMBERS if number != LATE))
    found = {one.name for one in judged(run(*off, HEAL, RESTORE), rows=rows).violations}
    assert "acknowledged rows" in found


def test_clients_write_rows_before_the_first_fault_that_must_not_be_lost() -> None:
    assert assessment.UNSENT_SECONDS < runner.CALM_SECONDS


UNMET: dict[str, tuple[dict[str, Any], list[str]]] = {
    "an expectation": (
        {
            "outcomes": (Outcome(expectation="vip-moves", unmet="still on node0", after_seconds=90),),
            "failure": "not within 90 s",
        },
        ["vip-moves: still on node0"],
    ),
    "a step that failed": ({"failure": "pgpool-kill did not take effect"}, ["pgpool-kill did not take effect"]),
    "no way back": (
        {"failure": "two primaries", "restored": False},
        ["two primaries", "the lab was not brought back to health"],
    ),
}


@pytest.mark.parametrize(("changed", "expected"), UNMET.values(), ids=UNMET.keys())
def test_a_run_that_was_not_fulfilled_does_not_pass(changed: dict[str, Any], expected: list[str]) -> None:
    made = run(**changed)
    result = judged(made)
    assert (list(result.unmet), result.passed) == (expected, False)


def test_an_outage_beyond_its_bound_fails_a_fulfilled_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(waiting.VARIABLE, "0.4")
    result = judged(run())
    exceeded = [one.name for one in result.episodes[0].comparisons if not one.within]
    assert (result.unmet, result.violations, result.passed) == ((), (), False)
    assert "write outage" in exceeded


CUT = event("partition", kind="fault")


def split_samples() -> list[Sample]:
    """node0 goes on as primary for some seconds beside the new one, then comes back as in the synthetic run."""
    both = [runs.node("node0", 1049 + second, role="primary", watchdog="LEADER") for second in range(8)]
    return sorted([*samples(), *both], key=lambda sample: sample.latest)


def test_a_split_is_expected_of_nodes_that_are_cut_and_of_no_others() -> None:
    made = {"samples": tuple(split_samples())}
    cut, alone = judged(run(CUT, HEAL, RESTORE, may_split=True, **made)), judged(run(CUT, HEAL, RESTORE, **made))
    assert (cut.passed, cut.violations, {one.name for one in cut.expected}) == (True, (), {"one primary"})
    assert (alone.passed, {one.name for one in alone.violations}, alone.expected) == (False, {"one primary"}, ())


def test_a_split_that_goes_on_after_the_cut_is_mended_does_not_pass() -> None:
    late = [runs.node("node0", REPAIR + 12 + second, role="primary", watchdog="LEADER") for second in range(5)]
    mixed = tuple(sorted([*split_samples(), *late], key=lambda sample: sample.latest))
    result = judged(run(CUT, HEAL, RESTORE, may_split=True, samples=mixed))
    assert (result.passed, {one.name for one in result.violations}) == (False, {"one primary"})


def test_nodes_that_are_cut_may_stop_instead() -> None:
    result = judged(run(CUT, HEAL, RESTORE, may_split=True))
    assert (result.passed, result.expected) == (True, (STOPPED,))
    assert judged(run(CUT, HEAL, RESTORE)).expected == ()


def test_a_cut_that_nobody_felt_does_not_pass() -> None:
    quiet = event("partition", at=1002)
    result = judged(run(quiet, event("heal", kind="heal", step=1, at=1015), RESTORE, may_split=True))
    assert (result.unmet, result.passed) == ((NEITHER,), False)


OUTAGES: dict[str, tuple[Gap | None, bool]] = {
    "until it was mended": (Gap(begin=21, end=61, over=True), True),
    "for ever": (Gap(begin=21, end=90, over=False), True),
    "over before": (Gap(begin=21, end=50, over=True), False),
    "a pause between two writes": (Gap(begin=59.9, end=60.2, over=True), False),
    "none": (None, False),
}


@pytest.mark.parametrize(("outage", "expected"), OUTAGES.values(), ids=OUTAGES.keys())
def test_one_that_stops_lets_no_client_write_until_the_cut_is_mended(outage: Gap | None, expected: bool) -> None:
    assert assessment.lasted(outage, Window(20, 60)) == expected


def test_addresses_are_written_as_samples_write_them() -> None:
    lab = outputs(nodes=2)
    lab.nodes[0].mac = "52:54:00:AB:CD:EF"
    assert assessment.macs_of(lab) == {"node0": "52:54:00:ab:cd:ef", "node4": MACS["node4"]}


def test_timings_that_lack_a_parameter_are_refused_by_name() -> None:
    lab = outputs()
    del lab.timings["wd_interval"]
    assessment.check(outputs())
    with pytest.raises(LabError, match=r"no run could be judged: .*wd_interval"):
        assessment.check(lab)
    with pytest.raises(ValueError, match="wd_interval"):
        judged(run(), lab)


TOLD_UNTIL: dict[str, tuple[tuple[Event, ...], float]] = {
    "mending ends it": ((event(), HEAL, RESTORE), REPAIR),
    "restoring alone does, too": ((event(), RESTORE), REPAIR + 10),
    "a fault that may cut one off does": ((event("partition"), HEAL, RESTORE), FAULT),
    "a backup is no fault": ((event("base-backup", kind="load"), event(at=FAULT + 3, step=1), HEAL), REPAIR),
    "nothing does": ((event("postgresql-kill"),), END),
}


@pytest.mark.parametrize(("events", "expected"), TOLD_UNTIL.values(), ids=TOLD_UNTIL.keys())
def test_pgpools_can_be_told_until_something_is_mended_or_may_cut_one_off(
    events: tuple[Event, ...], expected: float
) -> None:
    assert assessment.evidence_of(run(*events), outputs(), {}).expected.told_until == expected


def test_pgpools_that_fail_over_by_themselves_may_differ_for_longer() -> None:
    told = outputs()
    alone = told.model_copy(update={"versions": told.versions | {"pgpool": "3.2.9"}})
    seconds = [assessment.evidence_of(run(), lab, {}).expected.told_seconds for lab in (told, alone)]
    assert seconds == [TOLD_SECONDS, ALONE_SECONDS]
