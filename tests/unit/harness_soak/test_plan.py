"""The plan of a soak: repeatable, fair by its weights, and never more than one fault at a time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import islice

import pytest

from pgpool_lab.harness.faults import FAULTS
from pgpool_lab.harness.scenarios.model import Arrangement, Await, Heal, Inject, InjectOn, Restore, Role, Watch
from pgpool_lab.harness.soak.plan import CALM_SECONDS, LASTING_SECONDS, WEIGHTS, Strike, role_of, scenario_of, strikes

NODES = ["node0", "node4", "node5"]


def first(count: int, seed: int = 7) -> list[Strike]:
    return list(islice(strikes(seed, NODES), count))


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    assert first(50) == first(50)
    assert first(50) != first(50, seed=8)


def test_a_plan_begins_as_it_always_began() -> None:
    """A seed in a report has to mean the same in a later version."""
    assert [(one.position, one.fault, one.node) for one in first(4)] == [
        (1, "postgresql-stop-fast", "node0"),
        (2, "link-down", "node0"),
        (3, "postgresql-kill", "node0"),
        (4, "pgpool-hang", "node5"),
    ]


def test_every_fault_is_drawn_about_as_often_as_its_weight_says_and_every_node_as_often() -> None:
    drawn = first(6000)
    faults, nodes = Counter(one.fault for one in drawn), Counter(one.node for one in drawn)
    whole = sum(WEIGHTS.values())
    for name, weight in WEIGHTS.items():
        assert faults[name] == pytest.approx(6000 * weight / whole, rel=0.25)
    assert all(count == pytest.approx(2000, rel=0.1) for count in nodes.values())


def test_pauses_lie_within_their_limits_and_differ() -> None:
    drawn = first(500)
    for pauses, (least, most) in (
        ([one.calm for one in drawn], CALM_SECONDS),
        ([one.lasts for one in drawn], LASTING_SECONDS),
    ):
        assert least <= min(pauses) < least + 1 and most - 1 < max(pauses) <= most


def test_every_fault_can_be_drawn_but_a_backup_and_a_taken_away_mend() -> None:
    assert set(WEIGHTS) == set(FAULTS) - {"base-backup", "connections-kept"}


ROLES = {
    "node0": ("node0", "node0", Role.BOTH),
    "holder": ("node0", "node4", Role.HOLDER),
    "primary": ("node4", "node0", Role.PRIMARY),
    "standby": ("node4", "node4", Role.STANDBY),
}


@pytest.mark.parametrize(("holder", "primary", "role"), ROLES.values(), ids=ROLES.keys())
def test_a_node_is_struck_in_the_role_that_it_has(holder: str, primary: str, role: Role) -> None:
    assert role_of("node0", holder=holder, primary=primary) is role


@pytest.mark.parametrize("fault", WEIGHTS)
@pytest.mark.parametrize("primary", ["node0", "node4"])
def test_a_strike_is_one_fault_on_its_node_then_healing_then_health(fault: str, primary: str) -> None:
    scenario = scenario_of(Strike(3, fault, "node4", calm=2, lasts=4), holder="node0", primary=primary)
    assert scenario.name == f"soak-003-{fault}-on-node4"
    assert scenario.begins is (Arrangement.TOGETHER if primary == "node0" else Arrangement.APART)
    assert [step for step in scenario.steps if isinstance(step, Inject | InjectOn)] == [InjectOn(fault, "node4")]
    after = [step for step in scenario.steps[scenario.steps.index(Heal()) :] if not isinstance(step, Watch)]
    assert after[:2] == [Heal(), Restore()]
    healthy, last = after[2:]
    assert isinstance(healthy, Await) and "standbys-follow" in healthy.expectations
    assert last == Await(("clients-back",))
    assert scenario.may_split == (fault == "partition")


def awaited(strike: Strike, *, holder: str, primary: str) -> set[str]:
    """What must follow before it is mended."""
    steps = scenario_of(strike, holder=holder, primary=primary).steps
    steps = steps[: steps.index(Heal())]
    return {name for step in steps if isinstance(step, Await) for name in step.expectations}


def test_what_must_follow_is_what_the_struck_role_says() -> None:
    kill = Strike(1, "postgresql-kill", "node4", calm=2, lasts=4)
    served = {"vip-stays", "writes-flow", "clients-back"}
    lost = {"target-believed-down", "standbys-follow", "standbys-attached"}
    assert awaited(kill, holder="node0", primary="node4") == served | lost | {"primary-changes"}
    assert awaited(kill, holder="node4", primary="node0") == served | lost | {"primary-stays"}
    assert awaited(replace(kill, fault="pgpool-kill"), holder="node0", primary="node4") == served | {"primary-stays"}
    clock = Strike(1, "clock-back", "node4", calm=2, lasts=4)
    assert awaited(clock, holder="node4", primary="node0") == {"one-of-each", "writes-flow", "clients-back"}
