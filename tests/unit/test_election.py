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
    return {"name": name, "nodes": NODES, "pgpool": {"election": rule, "peer_lost_seconds": 5}}


@pytest.mark.parametrize(("name", "missed", "expected"), CASES.values(), ids=CASES.keys())
def test_the_highest_priority_among_those_that_are_heard_is_held_back(
    name: str, missed: dict[str, int], expected: bool
) -> None:
    assert election.to_be_won(config(name), missed) is expected
    assert not election.to_be_won(config(name, "oldest"), missed), "there are no votes"


def test_the_watchdog_is_asked_in_every_second_until_the_election_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    asked: list[float] = []

    def question(config: Any) -> str:
        nonlocal now
        asked.append(now)
        now += 0.1
        return ""

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(pgpool, "watchdog_info", question)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(time, "sleep", sleep)
    election.keep_asking(config("node0"), 7)
    assert all(any(second <= moment < second + 1 for moment in asked) for second in range(100, 107))
    assert now - 100 >= 7
