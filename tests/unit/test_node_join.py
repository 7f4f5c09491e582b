"""The rules of join in rarer cases: chosen primaries, timelines that began elsewhere, half-made standbys."""

from __future__ import annotations

from collections.abc import Sequence
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
    relation,
)

LAB = "7711219446825000741"
FORK = 0x5000000
"""Where timeline 1 ended in the tests with two timelines."""
HISTORY = ((1, FORK),)


def primary(name: str, **changes: Any) -> Answer:
    """A running primary on timeline 1."""
    return Answer(
        name,
        data="present",
        running=True,
        in_recovery=False,
        timeline=1,
        lsn=0x6000000,
        system_identifier=LAB,
    )._replace(**changes)


def standby(name: str, of: str | None, **changes: Any) -> Answer:
    """A running standby on timeline 1."""
    return Answer(
        name,
        data="present",
        running=True,
        in_recovery=True,
        timeline=1,
        lsn=0x4000000,
        system_identifier=LAB,
        standby_signal=True,
        streaming_from=of,
    )._replace(**changes)


def stopped(name: str, control_state: str, **changes: Any) -> Answer:
    """A node with data whose PostgreSQL does not run."""
    return Answer(
        name,
        data="present",
        timeline=1,
        lsn=0x4000000,
        system_identifier=LAB,
        control_state=control_state,
        standby_signal="recovery" in control_state,
    )._replace(**changes)


def empty(name: str) -> Answer:
    return Answer(name)


def silent(name: str) -> Answer:
    return Answer(name, reachable=False)


def hung(name: str) -> Answer:
    return stopped(name, "in archive recovery", running=True)


def decided(*answers: Answer, **options: Any) -> Plan | Wait | Refusal:
    return decide(answers, **{"first": "node0", "initialised": True, **options})


def plan(leader: str, *steps: str) -> Plan:
    """A plan from words like `follow node4`."""
    pairs = [step.split() for step in steps]
    return Plan(leader, tuple(Action(verb, node, leader) for verb, node in pairs))


CRASHED = "in production"
CLEAN = "shut down"
AS_STANDBY = "shut down in recovery"

PLANS: dict[str, tuple[Sequence[Answer], dict[str, Any], Plan]] = {
    "nothing anywhere is for the first node to begin, whatever the order of answers": (
        [empty("node4"), empty("node0")],
        {"initialised": False},
        plan("node0", "initialise node0"),
    ),
    "healthy, and a rejoin is asked for": (
        [primary("node0"), standby("node4", "node0")],
        {"rejoin": "node4"},
        plan("node0"),
    ),
    "one standby crashed": (
        [primary("node0"), stopped("node4", "in archive recovery")],
        {},
        plan("node0", "follow node4"),
    ),
    "an explicit rejoin may replace what cannot follow any more": (
        [primary("node0"), stopped("node4", AS_STANDBY)],
        {"rejoin": "node4"},
        plan("node0", "follow-or-clone node4"),
    ),
    "a base backup that was never started is a standby, although pg_control is the primary's": (
        [primary("node0"), stopped("node4", CRASHED, standby_signal=True)],
        {},
        plan("node0", "follow node4"),
    ),
    "a silent node does not keep the others from following": (
        [primary("node0"), silent("node4"), stopped("node5", AS_STANDBY)],
        {},
        plan("node0", "follow node5"),
    ),
    "a diverged node does not keep the others from following": (
        [
            stopped("node0", CRASHED),
            primary("node4", timeline=2, history=HISTORY),
            stopped("node5", AS_STANDBY),
        ],
        {},
        plan("node4", "follow node5"),
    ),
    "after a power cut: the former primary, though a standby knows of more WAL": (
        [stopped("node0", CRASHED, lsn=0x3000000), stopped("node4", "in archive recovery", lsn=0x3500000)],
        {},
        plan("node0", "start-primary node0"),
    ),
    "after a power cut: wherever the former primary is": (
        [stopped("node0", AS_STANDBY), stopped("node4", CRASHED)],
        {},
        plan("node4", "start-primary node4", "follow node0"),
    ),
    "the primary was stopped, and the standbys run": (
        [stopped("node0", CLEAN), standby("node4", None), standby("node5", None)],
        {},
        plan("node0", "start-primary node0"),
    ),
    "a stopped standby becomes primary by promotion, so on a timeline of its own": (
        [empty("node0"), stopped("node4", AS_STANDBY)],
        {},
        plan("node4", "promote node4"),
    ),
    "one is silent, and the operator chooses the former primary": (
        [stopped("node0", CRASHED), silent("node4")],
        {"force_primary": "node0"},
        plan("node0", "start-primary node0"),
    ),
    "the chosen primary is it already": (
        [primary("node0"), standby("node4", "node0")],
        {"force_primary": "node0"},
        plan("node0"),
    ),
}


@pytest.mark.parametrize("case", PLANS)
def test_plan(case: str) -> None:
    answers, options, expected = PLANS[case]
    assert decided(*answers, **options) == expected


REFUSALS: dict[str, tuple[Sequence[Answer], dict[str, Any], list[str]]] = {
    "two primaries, whatever is asked for": (
        [primary("node0"), primary("node4", timeline=2, history=HISTORY)],
        {"rejoin": "node0", "force_primary": "node4"},
        ["node0", "node4", "nothing was touched"],
    ),
    "a foreign cluster, and nobody runs": (
        [stopped("node0", CLEAN), stopped("node4", CLEAN, system_identifier="42")],
        {"force_primary": "node0"},
        ["different clusters"],
    ),
    "a diverged node goes before a silent one": (
        [stopped("node0", CRASHED), primary("node4", timeline=2, history=HISTORY), silent("node5")],
        {},
        ["node0 may hold rows"],
    ),
    "everything is lost": (
        [empty("node0"), empty("node4")],
        {},
        ["no node has data", "./lab rejoin node0 --force-primary node0"],
    ),
    "the chosen primary hangs": (
        [hung("node0"), stopped("node4", CLEAN)],
        {"force_primary": "node0"},
        ["node0", "does not answer"],
    ),
    "another node is primary": (
        [primary("node0"), standby("node4", "node0")],
        {"force_primary": "node4"},
        ["node0 is", "./lab switchover"],
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusal(case: str) -> None:
    answers, options, words = REFUSALS[case]
    decision = decided(*answers, **options)
    assert isinstance(decision, Refusal)
    assert [word for word in words if word not in f"{decision.reason}; {decision.remedy}"] == []


WAITS: dict[str, tuple[Sequence[Answer], dict[str, Any], str]] = {
    "unreachable is not empty": ([empty("node0"), silent("node4")], {"initialised": False}, "node4"),
    "no primary, and one of three is silent": (
        [stopped("node0", CLEAN), standby("node4", None), silent("node5")],
        {},
        "node5",
    ),
    "no primary, and one hangs": ([hung("node0"), standby("node4", None)], {}, "node0"),
    "nobody answers": ([silent("node0"), silent("node4")], {}, "node0"),
    "a primary, and one is silent": ([primary("node0"), silent("node4")], {}, "node4"),
    "a primary, and one hangs": ([primary("node0"), hung("node4")], {}, "node4"),
    "the node to bring back is silent": (
        [primary("node0"), silent("node4"), stopped("node5", AS_STANDBY)],
        {"rejoin": "node4"},
        "node4",
    ),
}


@pytest.mark.parametrize("case", WAITS)
def test_wait(case: str) -> None:
    answers, options, name = WAITS[case]
    decision = decided(*answers, **options)
    assert isinstance(decision, Wait)
    assert decision.node == name
    without_primary = not any(answer.in_recovery is False for answer in answers)
    assert ("--force-primary" in decision.remedy) == without_primary


NEW_PRIMARY = primary("node4", timeline=2, lsn=0x7000000, history=HISTORY)

RELATIONS: dict[str, tuple[Answer, Answer, bool]] = {
    "a newer timeline than the primary's": (
        stopped("node0", AS_STANDBY, timeline=3, history=(*HISTORY, (2, FORK + 8))),
        NEW_PRIMARY,
        False,
    ),
    "the same timeline, begun elsewhere": (
        stopped("node0", AS_STANDBY, timeline=2, history=((1, FORK - 8),)),
        NEW_PRIMARY,
        False,
    ),
    "an ancestor timeline, begun elsewhere": (
        stopped("node0", AS_STANDBY, timeline=2, history=((1, FORK - 8),)),
        primary("node4", timeline=3, history=(*HISTORY, (2, FORK + 64))),
        False,
    ),
    "the primary's history is lost": (
        stopped("node0", AS_STANDBY),
        primary("node4", timeline=2, history=()),
        False,
    ),
}


@pytest.mark.parametrize("case", RELATIONS)
def test_relation(case: str) -> None:
    answer, leader, follows = RELATIONS[case]
    assert (relation(answer, leader) == "follows") == follows


def test_answer_order_changes_nothing() -> None:
    answers = [stopped("node0", CRASHED), standby("node4", None), stopped("node5", AS_STANDBY, timeline=2)]
    assert decided(*answers) == decided(*reversed(answers))


def test_answers_from_facts() -> None:
    facts: dict[str, Any] = {
        "postgres": {
            "data": "present",
            "running": True,
            "in_recovery": True,
            "timeline": 2,
            "lsn": "0/5000060",
            "system_identifier": LAB,
            "control_state": None,
            "standby_signal": True,
            "streaming_from": "node4",
            "replicas": [],
            "history": [[1, "0/5000000"]],
        }
    }
    expected = standby("node0", "node4", timeline=2, lsn=0x5000060, history=HISTORY)
    assert answer_of("node0", facts) == expected
    del facts["postgres"]["standby_signal"]  # An agent of the version before.
    assert answer_of("node0", facts) == expected._replace(standby_signal=False)
