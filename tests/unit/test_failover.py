"""The rules of the failover script: when nobody is promoted, and who is promoted otherwise."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pgpool_lab.node.failover import Answer, decide


def standby(name: str, timeline: int = 1, received: int = 100) -> Answer:
    return Answer(name, in_recovery=True, timeline=timeline, received=received)


def primary(name: str, timeline: int = 2) -> Answer:
    return Answer(name, in_recovery=False, timeline=timeline, received=0)


NOBODY: dict[str, tuple[int, int, list[Answer], str]] = {
    "a standby failed": (1, 0, [primary("node0"), standby("node5")], "a standby failed"),
    "a standby failed and nobody answers": (1, 0, [], "a standby failed"),
    "pgpool knows no primary": (0, -1, [standby("node4")], "no primary"),
    "unknown is not the same as unknown": (-1, -1, [standby("node4")], "no primary"),
    "a primary is there already": (0, 0, [primary("node4"), standby("node5", 9, 9)], "node4 is primary already"),
    "nobody answers": (0, 0, [], "no standby can be reached"),
}


@pytest.mark.parametrize(("failed", "old_primary", "answers", "reason"), NOBODY.values(), ids=NOBODY.keys())
def test_nobody_is_promoted(failed: int, old_primary: int, answers: Sequence[Answer], reason: str) -> None:
    decision = decide(failed, old_primary, answers)
    assert decision.promote is None
    assert reason in decision.reason


CHOICES: dict[str, tuple[list[Answer], str]] = {
    "the only standby": ([standby("node4")], "node4"),
    "most WAL, not the lowest id": ([standby("node4", 1, 100), standby("node5", 1, 200)], "node5"),
    "most WAL, whoever answered first": ([standby("node5", 1, 200), standby("node4", 1, 100)], "node5"),
    "a newer timeline before more WAL": ([standby("node4", 2, 100), standby("node5", 1, 900)], "node4"),
    "the first to answer of two equal ones": ([standby("node4"), standby("node5")], "node4"),
}


@pytest.mark.parametrize(("answers", "expected"), CHOICES.values(), ids=CHOICES.keys())
def test_the_most_advanced_standby_is_promoted(answers: Sequence[Answer], expected: str) -> None:
    decision = decide(0, 0, answers)
    assert decision.promote == expected
    assert "most advanced" in decision.reason


def test_the_failed_primary_may_be_any_backend() -> None:
    assert decide(1, 1, [standby("node0")]).promote == "node0"
    assert decide(0, 1, [standby("node0")]).promote is None
