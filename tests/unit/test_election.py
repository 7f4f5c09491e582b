"""Who holds its watchdog back in an election, and how."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pgpool_lab.node import election, pgpool

NODES = [{"name": name, "ip": name} for name in ("node0", "node4", "node5")]

CASES: dict[str, tuple[str, dict[str, int], bool]] = {
    "the first, when the second dies": ("node0", {"node4": 2, "node5": 0}, True),
    "the second, when the first dies": ("node4", {"node0": 2, "node5": 1}, True),
    "the third, when the first dies": ("node5", {"node0": 2, "node4": 1}, False),
    "the third, when both others die": ("node5", {"node0": 2, "node4": 2}, False),
    "before the witness": ("node5", {"node0": 2, "node4": 2, "witness": 0}, True),
    "not noticed yet": ("node4", {"node0": 1, "node5": 0}, False),
    "noticed before": ("node4", {"node0": 3, "node5": 0}, False),
    "all are there": ("node0", {"node4": 0, "node5": 0}, False),
}
"""This node, the rounds that each other member is silent in, and whether an election is to be won by it."""


def config(name: str, rule: str = "vote") -> dict[str, Any]:
    return {"name": name, "nodes": NODES, "pgpool": {"election": rule, "peer_lost_seconds": 5, "watchdog_info": "name"}}


@pytest.mark.parametrize(("name", "missed", "expected"), CASES.values(), ids=CASES.keys())
def test_the_highest_priority_among_those_that_are_heard_is_held_back(
    name: str, missed: dict[str, int], expected: bool
) -> None:
    assert election.to_be_won(config(name), missed) is expected
    assert not election.to_be_won(config(name, "oldest"), missed), "there are no votes"


OVER: dict[str, tuple[str | None, bool]] = {
    "it has not noticed": ("STANDBY", False),
    "it is about to wait": ("JOINING", False),
    "it waits for its second to end": ("INITIALIZING", False),
    "it stands": ("STANDING", True),
    "it has made way": ("PARTICIPATING", True),
    "it leads": ("LEADER", True),
    "pgpool says nothing": (None, False),
}
"""This node's own state, and whether the questions end."""


@pytest.mark.parametrize(("own", "expected"), OVER.values(), ids=OVER.keys())
def test_no_more_is_asked_when_this_node_does_not_wait_any_more(own: str | None, expected: bool) -> None:
    assert election.over(own) is expected


RUNS: dict[str, tuple[dict[int, list[str]], list[float]]] = {
    "the other noticed first": (
        {0: ["STANDBY", "STANDBY", "LEADER"], 1: ["STANDBY", "INITIALIZING", "LEADER"], 2: ["INITIALIZING"] * 2},
        [0, 0.3, 0.6, 0.9, 1.2, 1.5, 1.8, 2.1, 2.4],
    ),
    "this one noticed first, and its second may end": (
        {0: ["STANDBY", "STANDBY", "LEADER"], 1: ["INITIALIZING", "STANDBY", "LOST"]},
        [0, 0.3, 0.6, 0.9, 1.2, 1.5],
    ),
    "it stands": ({0: ["STANDBY", "STANDBY", "LEADER"], 1: ["STANDING", "STANDING", "LOST"]}, [0, 0.3, 0.6, 0.9, 1.2]),
    "nobody died": ({0: ["STANDBY", "STANDBY", "LEADER"]}, [round(0.3 * number, 1) for number in range(17)]),
}
"""What the members are from a second on, and when it is asked for: questions take 0.1 s."""


@pytest.mark.parametrize(("states", "expected"), RUNS.values(), ids=RUNS.keys())
def test_the_watchdog_is_asked_on_and_on_but_not_when_its_own_second_may_be_over(
    states: dict[int, list[str]], expected: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    asked: list[float] = []

    def question(config: Any) -> str:
        nonlocal now
        asked.append(round(now - 100, 1))
        roles = states[max(second for second in states if second <= now - 100)]
        now += 0.1
        lines = [f"node:9999 Linux node node 9999 9000 7 {role} 0 MEMBER" for role in roles]
        return "\n".join(["3 3 YES", *lines])

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(pgpool, "watchdog_info", question)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(time, "sleep", sleep)
    election.keep_asking(config("node0"))
    assert asked == expected
