"""The table of scenarios is complete and says nothing that nobody understands."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pgpool_lab.errors import LabError
from pgpool_lab.harness.faults import FAULTS
from pgpool_lab.harness.faults.model import BACK_SECONDS
from pgpool_lab.harness.faults.table import JUMP_SECONDS
from pgpool_lab.harness.scenarios import SCENARIOS, Scenario, scenario_named
from pgpool_lab.harness.scenarios.expectations import EXPECTATIONS
from pgpool_lab.harness.scenarios.model import Arrangement, Await, Heal, Inject, Restore, Role, Watch

FAULTS_ON_ROLES = sorted(set(FAULTS) - {"base-backup", "connections-kept"})


AFTER = (
    Await(("all-answer", "one-of-each", "standbys-follow", "standbys-attached", "writes-flow")),
    Await(("clients-back",)),
)
"""What a restored lab must show to its clients."""
FOLLOW = ("standbys-follow", "standbys-attached")
CHANGED = ("primary-changes", "target-believed-down", *FOLLOW, "writes-flow")


def awaited(name: str) -> list[tuple[str, ...]]:
    return [step.expectations for step in SCENARIOS[name].steps if isinstance(step, Await)]


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_a_scenario_uses_known_faults_and_expectations_and_ends_healthy(scenario: Scenario) -> None:
    for step in scenario.steps:
        if isinstance(step, Inject):
            assert step.fault in FAULTS
        if isinstance(step, Await):
            assert step.expectations and set(step.expectations) <= set(EXPECTATIONS)
            assert step.seconds is None or step.seconds > 0
    *_, restore, healthy, clients = scenario.steps
    assert isinstance(restore, Restore)
    assert (healthy, clients) == AFTER


def test_the_procedure_s_scenarios_and_the_sequences_are_there() -> None:
    assert {f"procedure-{letter}" for letter in "123ab"} <= set(SCENARIOS)
    assert {
        "old-primary-returns",
        "two-failovers",
        "failover-during-base-backup",
        "switchover",
        "all-off-and-on",
    } <= set(SCENARIOS)


@pytest.mark.parametrize("role", ["holder", "primary", "both", "standby"])
@pytest.mark.parametrize("fault", FAULTS_ON_ROLES)
def test_every_fault_is_tried_on_every_role(fault: str, role: str) -> None:
    scenario = scenario_named(f"{fault}-on-{role}")
    apart = role in ("holder", "primary")
    assert scenario.begins is (Arrangement.APART if apart else Arrangement.TOGETHER)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pgpool-kill-on-holder", ("vip-moves", "primary-stays", "writes-flow")),
        ("pgpool-kill-on-primary", ("vip-stays", "primary-stays", "writes-flow")),
        ("postgresql-hang-on-holder", ("vip-stays", "primary-stays", "target-believed-down", *FOLLOW, "writes-flow")),
        (
            "postgresql-hang-on-primary",
            ("vip-stays", "primary-changes", "target-believed-down", *FOLLOW, "writes-flow"),
        ),
        ("machine-power-off-on-both", ("vip-moves", *CHANGED)),
        ("machine-power-off-on-holder", ("vip-moves", "primary-stays", "target-believed-down", *FOLLOW, "writes-flow")),
        (
            "machine-power-off-on-primary",
            ("vip-stays", "primary-changes", "target-believed-down", *FOLLOW, "writes-flow"),
        ),
        ("link-down-on-standby", ("vip-stays", "primary-stays", "target-believed-down", *FOLLOW, "writes-flow")),
    ],
)
def test_what_was_lost_moves_and_the_rest_stays(name: str, expected: tuple[str, ...]) -> None:
    assert awaited(name) == [expected, ("clients-back",), *(step.expectations for step in AFTER)]


@pytest.mark.parametrize("fault", ["partition", "disk-full", "clock-forward", "clock-back"])
def test_a_fault_of_open_outcome_leaves_open_who_serves_but_not_that_somebody_does(fault: str) -> None:
    served = [("one-of-each", "writes-flow"), ("clients-back",)]
    assert awaited(f"{fault}-on-both") == [*served, *(step.expectations for step in AFTER)]


@pytest.mark.parametrize("fault", ["clock-forward", "clock-back"])
def test_a_clock_that_was_set_right_is_watched_until_its_heartbeats_are_heard_again(fault: str) -> None:
    *_, heal, after, restore, _, _ = scenario_named(f"{fault}-on-both").steps
    assert (heal, after, restore) == (Heal(), Watch(JUMP_SECONDS), Restore())


@pytest.mark.parametrize("fault", ["machine-pause", "link-down", "partition"])
def test_a_node_that_was_away_is_watched_when_it_is_heard_again_before_anything_is_mended(fault: str) -> None:
    *_, heal, after, restore, _, _ = scenario_named(f"{fault}-on-both").steps
    assert (heal, after, restore) == (Heal(), Watch(BACK_SECONDS), Restore())


def test_every_client_is_back_after_whatever_was_awaited() -> None:
    """Before anything is mended or breaks again, that is: an outage ends by itself."""
    for scenario in SCENARIOS.values():
        for step, after in pairwise(scenario.steps):
            if isinstance(step, Await) and step.expectations != ("clients-back",):
                assert after == Await(("clients-back",)), scenario.name
    steps = [type(step).__name__ for step in scenario_named("pgpool-kill-on-both").steps]
    assert steps == ["Inject", "Await", "Await", "Heal", "Restore", "Await", "Await"]


def test_whoever_has_to_follow_a_new_primary_is_waited_for() -> None:
    for name in SCENARIOS:
        for expected in awaited(name):
            if "primary-changes" in expected and name != "power-off-without-mend":
                assert (set(FOLLOW) <= set(expected)) or name == "procedure-b", name


def test_only_two_nodes_that_are_cut_from_each_other_may_split() -> None:
    splitting = {name for name, scenario in SCENARIOS.items() if scenario.may_split}
    assert splitting == {f"partition-on-{role}" for role in ("holder", "primary", "both", "standby")}
    assert SCENARIOS["partition-on-both"].may_split_on(2)
    assert not SCENARIOS["partition-on-both"].may_split_on(3)


def test_an_unknown_scenario_is_refused() -> None:
    with pytest.raises(LabError, match="no scenario"):
        scenario_named("procedure-4")


def test_what_takes_nothing_from_the_cluster_is_no_scenario_by_itself() -> None:
    assert not {name for name in SCENARIOS if name.startswith(("base-backup", "connections-kept"))}


def test_without_the_mend_nothing_else_differs() -> None:
    """The same fault, the same expectations; only the waiting is longer."""
    without, given = SCENARIOS["power-off-without-mend"], SCENARIOS["machine-power-off-on-both"]
    first, *rest = without.steps
    assert first == Inject("connections-kept", Role.ALL)
    assert [type(step) for step in rest] == [type(step) for step in given.steps]
    assert rest[0] == given.steps[0]
    assert set(awaited(given.name)[0]) - set(awaited(without.name)[0]) == set(FOLLOW)
    assert awaited(without.name)[1:] == awaited(given.name)[1:]
    assert (without.begins, without.nodes) == (given.begins, 3)
