"""Who has which role, now."""

from __future__ import annotations

import pytest

from pgpool_lab.errors import LabError
from pgpool_lab.harness.samples import unreachable
from pgpool_lab.harness.scenarios.model import Arrangement, Role
from pgpool_lab.harness.scenarios.roles import FRESH_SECONDS, fresh, resolve, roles_of
from tests.unit.harness_scenarios.seen import NAMES, healthy, lab, sample

TOGETHER = roles_of(NAMES, healthy())
APART = roles_of(NAMES, healthy(holder="node0", primary="node4"))


@pytest.mark.parametrize(
    ("role", "together", "apart"),
    [
        (Role.HOLDER, ("node0",), ("node0",)),
        (Role.PRIMARY, ("node0",), ("node4",)),
        (Role.BOTH, ("node0",), ("node0", "node4")),
        (Role.STANDBY, ("node4",), ("node5",)),
        (Role.ALL, NAMES, NAMES),
    ],
)
def test_a_role_is_found_wherever_it_is(role: Role, together: tuple[str, ...], apart: tuple[str, ...]) -> None:
    assert resolve(role, TOGETHER) == together
    assert resolve(role, APART) == apart


def test_the_only_standby_is_taken_though_it_holds_the_virtual_ip() -> None:
    two = roles_of(NAMES[:2], healthy(holder="node0", primary="node4"))
    assert resolve(Role.STANDBY, two) == ("node0",)


@pytest.mark.parametrize("role", [Role.HOLDER, Role.PRIMARY, Role.BOTH])
def test_a_role_that_two_have_or_nobody_is_not_resolved(role: Role) -> None:
    split = roles_of(NAMES, lab(sample("node0", vip=True, primary=True), sample("node4", vip=True, primary=True)))
    with pytest.raises(LabError, match="node0, node4"):
        resolve(role, split)
    with pytest.raises(LabError, match="none"):
        resolve(role, roles_of(NAMES, {}))


def test_a_server_that_does_not_answer_has_no_role() -> None:
    assert roles_of(NAMES, lab(sample("node0", primary=None))).primaries == ()


def test_the_arrangement_takes_exactly_one_of_each() -> None:
    assert TOGETHER.arrangement is Arrangement.TOGETHER
    assert APART.arrangement is Arrangement.APART
    assert roles_of(NAMES, lab(sample("node0", vip=True))).arrangement is None


def test_a_node_that_is_silent_or_was_heard_long_ago_is_nobody() -> None:
    latest = {
        "node0": sample("node0", at=100.0),
        "node4": sample("node4", at=100.0 - FRESH_SECONDS),
        "node5": unreachable("node5", earliest=99.0, latest=100.0, wall=0.0),
    }
    assert list(fresh(latest, 100.5)) == ["node0"]
