"""The rules of join, as tables: what the nodes answer, and what is then done with each of them."""

from __future__ import annotations

from typing import Any

import pytest

from pgpool_lab.node.join import (
    Action,
    Answer,
    Plan,
    Refusal,
    Wait,
    answer_of,
    decide,
    fork_position,
    parse_lsn,
    relation,
)
from tests.unit.facts import node_facts

Decision = Plan | Wait | Refusal

OURS = "7310000000000000001"
THEIRS = "7310000000000000002"


def primary(name: str, *, timeline: int = 1, lsn: int = 1000, fork: int | None = None, **more: Any) -> Answer:
    """A running primary; `fork` is where it left the timeline before its own."""
    history = () if fork is None else ((timeline - 1, fork),)
    values: dict[str, Any] = {"data": "present", "running": True, "in_recovery": False, "system_identifier": OURS}
    return Answer(name, timeline=timeline, lsn=lsn, history=history, **(values | more))


def standby(name: str, follows: str | None = None, *, timeline: int = 1, lsn: int = 1000, **more: Any) -> Answer:
    """A running standby that streams from `follows`."""
    values: dict[str, Any] = {"data": "present", "running": True, "in_recovery": True, "system_identifier": OURS}
    return Answer(name, timeline=timeline, lsn=lsn, streaming_from=follows, **(values | more))


def stopped(name: str, state: str = "shut down in recovery", *, timeline: int = 1, lsn: int = 1000) -> Answer:
    """A node with data that does not run; `state` is pg_control's."""
    return Answer(name, True, "present", False, None, timeline, lsn, OURS, state)


def empty(name: str) -> Answer:
    return Answer(name)


def partial(name: str) -> Answer:
    return Answer(name, data="partial")


def silent(name: str) -> Answer:
    return Answer(name, reachable=False)


def hung(name: str) -> Answer:
    """Its PostgreSQL runs and does not answer."""
    return Answer(name, data="present", running=True, system_identifier=OURS)


def decided(
    *answers: Answer,
    first: str = "node0",
    initialised: bool = True,
    force_primary: str | None = None,
    rejoin: str | None = None,
    gives_up: bool = True,
) -> Decision:
    return decide(
        answers,
        first=first,
        initialised=initialised,
        force_primary=force_primary,
        rejoin=rejoin,
        gives_up=gives_up,
    )


def plan(leader: str, *steps: tuple[str, str]) -> Plan:
    """Steps as verb and node."""
    return Plan(leader, tuple(Action(verb, node, leader) for verb, node in steps))


PLANS: dict[str, tuple[Decision, Plan]] = {
    # Rule 1: one primary, everyone else follows it.
    "healthy": (decided(primary("node0"), standby("node4", "node0")), plan("node0")),
    "healthy, moved": (decided(standby("node0", "node4"), primary("node4")), plan("node4")),
    "healthy, three nodes": (
        decided(primary("node0"), standby("node4", "node0"), standby("node5", "node0")),
        plan("node0"),
    ),
    "a standby is stopped": (decided(primary("node0"), stopped("node4")), plan("node0", ("follow", "node4"))),
    "a standby is empty": (decided(primary("node0"), empty("node4")), plan("node0", ("clone", "node4"))),
    "a standby's directory is partial": (
        decided(primary("node0"), partial("node4")),
        plan("node0", ("clone", "node4")),
    ),
    "primary on node4, node0 empty": (
        decided(empty("node0"), primary("node4", timeline=2, fork=900)),
        plan("node4", ("clone", "node0")),
    ),
    "a standby does not stream": (
        decided(primary("node0"), standby("node4", None, lsn=900)),
        plan("node0", ("follow", "node4")),
    ),
    "a standby follows the dead primary": (
        decided(
            primary("node4", timeline=2, lsn=2000, fork=1000),
            standby("node5", "node0", lsn=1000),
        ),
        plan("node4", ("follow", "node5")),
    ),
    "the old primary ended cleanly before the fork": (
        decided(stopped("node0", "shut down", lsn=999), primary("node4", timeline=2, lsn=2000, fork=1000)),
        plan("node4", ("follow", "node0")),
    ),
    "three nodes, one of each": (
        decided(primary("node0"), standby("node4", "node0"), empty("node5")),
        plan("node0", ("clone", "node5")),
    ),
    "three nodes, both others": (
        decided(primary("node0"), stopped("node4"), empty("node5")),
        plan("node0", ("follow", "node4"), ("clone", "node5")),
    ),
    # Rule 3: none is primary.
    "all empty, the first time": (
        decided(empty("node0"), empty("node4"), initialised=False),
        plan("node0", ("initialise", "node0")),
    ),
    "the designated first node initialises": (
        decided(empty("node0"), empty("node4"), initialised=False, first="node4"),
        plan("node4", ("initialise", "node4")),
    ),
    "partial is not data": (
        decided(partial("node0"), empty("node4"), initialised=False),
        plan("node0", ("initialise", "node0")),
    ),
    "all down, the former primary starts": (
        decided(stopped("node0"), stopped("node4", "shut down")),
        plan("node4", ("start-primary", "node4"), ("follow", "node0")),
    ),
    "all down, a standby that may have diverged is started later": (
        decided(stopped("node0", "shut down"), stopped("node4", lsn=1001), stopped("node5", lsn=999)),
        plan("node0", ("start-primary", "node0"), ("follow", "node5")),
    ),
    "all down, one is asked to rejoin": (
        decided(stopped("node0", "shut down"), stopped("node4"), stopped("node5"), rejoin="node5"),
        plan("node0", ("start-primary", "node0"), ("follow-or-clone", "node5")),
    ),
    "all down, the next primary is promoted, so that nobody follows it yet": (
        decided(standby("node0"), standby("node4", lsn=900)),
        plan("node0", ("promote", "node0")),
    ),
    "all down after a power cut": (
        decided(stopped("node0", "in production", lsn=900), stopped("node4", "in archive recovery", lsn=1000)),
        plan("node0", ("start-primary", "node0")),
    ),
    "all down, the highest timeline": (
        decided(stopped("node0", "in production", lsn=9000), stopped("node4", timeline=2, lsn=1000)),
        plan("node4", ("promote", "node4")),
    ),
    "all down, two former primaries": (
        decided(
            stopped("node0", "in production", lsn=9000),
            stopped("node4", "in production", timeline=2, lsn=1000),
        ),
        plan("node4", ("start-primary", "node4")),
    ),
    "all standbys, the most WAL": (
        decided(standby("node0", lsn=900), standby("node4", lsn=1000), standby("node5", lsn=950)),
        plan("node4", ("promote", "node4")),
    ),
    "all standbys, and a stopped one may have more than is known": (
        decided(stopped("node0", lsn=900), standby("node4", lsn=1000), stopped("node5", lsn=950)),
        Plan("node4", tuple(Action("start-standby", name, name) for name in ("node0", "node5"))),
    ),
    "all standbys, and a stopped one is left behind": (
        decided(stopped("node0", lsn=900), stopped("node4", timeline=2, lsn=800)),
        plan("node4", ("promote", "node4")),
    ),
    "a running standby without a primary": (
        decided(empty("node0"), standby("node4")),
        plan("node4", ("promote", "node4")),
    ),
    "data on one of two, before it was known as initialised": (
        decided(empty("node0"), stopped("node4", "shut down"), initialised=False),
        plan("node4", ("start-primary", "node4")),
    ),
    # The operator names a primary.
    "one silent, forced": (
        decided(silent("node0"), stopped("node4"), force_primary="node4"),
        plan("node4", ("promote", "node4")),
    ),
    "forced against the rules' own choice": (
        decided(stopped("node0", "shut down", timeline=2), stopped("node4"), force_primary="node4"),
        plan("node4", ("promote", "node4")),
    ),
    "forced while it runs as a standby": (
        decided(silent("node0"), standby("node4"), force_primary="node4"),
        plan("node4", ("promote", "node4")),
    ),
    "all empty, initialised before, forced": (
        decided(empty("node0"), empty("node4"), force_primary="node0"),
        plan("node0", ("initialise", "node0")),
    ),
    # Rule 4: diverged data is given up only when asked to.
    "rejoin of a diverged node": (
        decided(stopped("node0", lsn=1001), primary("node4", timeline=2, lsn=2000, fork=1000), rejoin="node0"),
        plan("node4", ("rewind", "node0")),
    ),
    "rejoin of a node that may follow": (
        decided(stopped("node0", lsn=999), primary("node4", timeline=2, lsn=2000, fork=1000), rejoin="node0"),
        plan("node4", ("follow-or-clone", "node0")),
    ),
    "the old primary of a planned change": (
        decided(
            stopped("node0", lsn=999), primary("node4", timeline=2, lsn=2000, fork=1000), rejoin="node0", gives_up=False
        ),
        plan("node4", ("follow", "node0")),
    ),
    "rejoin leaves the others alone": (
        decided(primary("node0"), stopped("node4", lsn=9000), silent("node5"), stopped("node6"), rejoin="node6"),
        plan("node0", ("follow-or-clone", "node6")),
    ),
}


@pytest.mark.parametrize(("decision", "expected"), PLANS.values(), ids=PLANS.keys())
def test_the_nodes_are_brought_to_one_primary(decision: Decision, expected: Plan) -> None:
    assert decision == expected


WAITS: dict[str, tuple[Decision, str]] = {
    "one silent, none primary": (decided(silent("node0"), stopped("node4", "shut down")), "node0"),
    "one silent, the other empty, the first time": (
        decided(empty("node0"), silent("node4"), initialised=False),
        "node4",
    ),
    "all silent": (decided(silent("node0"), silent("node4")), "node0"),
    "one hangs, none primary": (decided(stopped("node0", "shut down"), hung("node4")), "node4"),
    "a standby is silent": (decided(primary("node0"), silent("node4")), "node4"),
    "a standby hangs": (decided(primary("node0"), hung("node4")), "node4"),
    "the node to rejoin is silent": (decided(primary("node0"), silent("node4"), rejoin="node4"), "node4"),
    "three nodes, one silent": (
        decided(stopped("node0", "shut down"), stopped("node4"), silent("node5")),
        "node5",
    ),
}


@pytest.mark.parametrize(("decision", "node"), WAITS.values(), ids=WAITS.keys())
def test_a_node_whose_answer_is_needed_is_waited_for(decision: Decision, node: str) -> None:
    assert isinstance(decision, Wait)
    assert decision.node == node
    assert decision.reason


REFUSALS: dict[str, tuple[Decision, list[str]]] = {
    "two primaries": (decided(primary("node0"), primary("node4")), ["node0 and node4", "nothing was touched"]),
    "two primaries on different timelines": (
        decided(primary("node0"), primary("node4", timeline=2, fork=900)),
        ["node0 and node4"],
    ),
    "two primaries of three, one asked to rejoin": (
        decided(primary("node0"), primary("node4"), standby("node5", "node0"), rejoin="node4"),
        ["node0 and node4"],
    ),
    "two primaries, one named": (
        decided(primary("node0"), primary("node4"), force_primary="node0"),
        ["node0 and node4"],
    ),
    "a foreign standby": (
        decided(primary("node0"), standby("node4", system_identifier=THEIRS)),
        [f"node0: {OURS}", f"node4: {THEIRS}"],
    ),
    "a foreign directory on a stopped node": (
        decided(primary("node0"), stopped("node4")._replace(system_identifier=THEIRS), rejoin="node4"),
        [f"node4: {THEIRS}"],
    ),
    "all down, different clusters": (
        decided(stopped("node0")._replace(system_identifier=THEIRS), stopped("node4")),
        [f"node0: {THEIRS}", f"node4: {OURS}"],
    ),
    "diverged": (
        decided(stopped("node0", "shut down", lsn=1001), primary("node4", timeline=2, lsn=2000, fork=1000)),
        ["node0 may hold rows that the primary node4 does not have", "beyond the fork"],
    ),
    "diverged in a planned change, which loses nothing": (
        decided(
            stopped("node0", "shut down", lsn=1001),
            primary("node4", timeline=2, lsn=2000, fork=1000),
            rejoin="node0",
            gives_up=False,
        ),
        ["node0 may hold rows that the primary node4 does not have", "beyond the fork"],
    ),
    "a crashed old primary": (
        decided(stopped("node0", "in production", lsn=10), primary("node4", timeline=2, lsn=2000, fork=1000)),
        ["node0 may hold rows", "without a shutdown"],
    ),
    "all empty, initialised before": (decided(empty("node0"), empty("node4")), ["no node has data", "before"]),
    "the forced node is silent": (
        decided(silent("node0"), stopped("node4"), force_primary="node0"),
        ["node0 cannot be made primary"],
    ),
    "forced, but there is a primary": (
        decided(primary("node0"), stopped("node4"), force_primary="node4"),
        ["node4 cannot be made primary: node0 is"],
    ),
    "the forced node is none": (
        decided(stopped("node0"), stopped("node4"), force_primary="node9"),
        ["node9 cannot be made primary"],
    ),
    "the forced node is empty, another has data": (
        decided(empty("node0"), stopped("node4"), force_primary="node0"),
        ["node0 has no data, but node4 has"],
    ),
}


@pytest.mark.parametrize(("decision", "expected"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_the_rules_forbid_is_refused_with_names_and_a_way_out(decision: Decision, expected: list[str]) -> None:
    assert isinstance(decision, Refusal)
    assert all(part in decision.reason for part in expected), decision.reason
    assert decision.remedy


AHEAD = primary("node4", timeline=2, lsn=2000, fork=1000)
SAME = primary("node4", timeline=1, lsn=2000)
THIRD = AHEAD._replace(timeline=3, lsn=3000, history=((1, 1000), (2, 2000)))

RELATIONS: dict[str, tuple[Answer, Answer, str]] = {
    "behind on the same timeline": (stopped("node0", lsn=1999), SAME, "follows"),
    "level on the same timeline": (stopped("node0", lsn=2000), SAME, "follows"),
    "further on the same timeline": (stopped("node0", lsn=2001), SAME, "its WAL goes further"),
    "former primary of the same timeline": (
        stopped("node0", "shut down", lsn=1000),
        SAME,
        "it was primary on the same timeline",
    ),
    "newer timeline": (stopped("node0", timeline=2, lsn=10), SAME, "its timeline is newer"),
    "at the fork": (stopped("node0", lsn=1000), AHEAD, "follows"),
    "beyond the fork": (stopped("node0", lsn=1001), AHEAD, "its WAL goes beyond the fork"),
    "clean former primary whose checkpoint was received": (stopped("node0", "shut down", lsn=999), AHEAD, "follows"),
    "clean former primary whose checkpoint begins at the fork": (
        stopped("node0", "shut down", lsn=1000),
        AHEAD,
        "its WAL goes beyond the fork",
    ),
    "clean former primary beyond the fork": (
        stopped("node0", "shut down", lsn=1001),
        AHEAD,
        "its WAL goes beyond the fork",
    ),
    "crashed former primary before the fork": (
        stopped("node0", "in production", lsn=10),
        AHEAD,
        "it ended as primary without a shutdown",
    ),
    "former primary that crashed in its shutdown": (
        stopped("node0", "shutting down", lsn=10),
        AHEAD,
        "it ended as primary without a shutdown",
    ),
    "crashed standby before the fork": (stopped("node0", "in archive recovery", lsn=1000), AHEAD, "follows"),
    "running standby before the fork": (standby("node0", None, lsn=1000), AHEAD, "follows"),
    "two timelines behind, before the first fork": (stopped("node0", lsn=1000), THIRD, "follows"),
    "two timelines behind, beyond the first fork": (
        stopped("node0", lsn=1500),
        THIRD,
        "its WAL goes beyond the fork",
    ),
    "one timeline behind, before the second fork": (stopped("node0", timeline=2, lsn=2000), THIRD, "follows"),
    "a timeline that the primary never was on": (
        stopped("node0", timeline=1, lsn=10),
        AHEAD._replace(timeline=5, history=((4, 1000),)),
        "the primary's history does not have its timeline",
    ),
}


@pytest.mark.parametrize(("answer", "leader", "expected"), RELATIONS.values(), ids=RELATIONS.keys())
def test_data_follows_only_when_the_primary_has_all_of_it(answer: Answer, leader: Answer, expected: str) -> None:
    assert relation(answer, leader) == expected


def test_a_node_that_is_brought_back_asks_for_nothing_more() -> None:
    """Each step leads on: a crash of the primary, its failover, and the return of the old one."""
    assert decided(stopped("node0", "shut down", lsn=999), AHEAD) == plan("node4", ("follow", "node0"))
    assert decided(standby("node0", "node4", timeline=2, lsn=2000), AHEAD) == plan("node4")


@pytest.mark.parametrize(
    ("text", "position"), [("0/0", 0), ("0/5000100", 0x5000100), ("1/0", 1 << 32), ("A/FF", (10 << 32) + 255)]
)
def test_a_log_sequence_number_is_a_position(text: str, position: int) -> None:
    assert parse_lsn(text) == position


def test_a_history_tells_where_a_timeline_was_left() -> None:
    assert fork_position(2, ((1, 1000), (2, 2000))) == 2000
    assert fork_position(3, ((1, 1000), (2, 2000))) is None


def test_an_answer_is_read_from_the_facts_of_a_node() -> None:
    facts = node_facts("node4", ("node0", "node4"), "node0", "node0")
    facts["postgres"]["history"] = [[1, "0/3000000"]]
    assert answer_of("node4", facts) == Answer(
        name="node4",
        data="present",
        running=True,
        in_recovery=True,
        timeline=2,
        lsn=0x5000000,
        system_identifier=OURS,
        streaming_from="node0",
        history=((1, 0x3000000),),
    )


def test_a_node_without_facts_is_unreachable_and_not_empty() -> None:
    answer = answer_of("node4", None)
    assert answer.reachable is False
    assert isinstance(decided(empty("node0"), answer, initialised=False), Wait)


def test_a_node_without_data_has_no_position() -> None:
    facts = node_facts("node4", ("node0", "node4"), "node0", "node0")
    facts["postgres"] |= {"data": "none", "running": False, "in_recovery": None, "timeline": None, "lsn": None}
    answer = answer_of("node4", facts)
    assert (answer.data, answer.timeline, answer.lsn) == ("none", 0, 0)
