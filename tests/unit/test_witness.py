"""A witness that leads hands over as soon as a node can lead, and does nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from pgpool_lab.node import pgpool, witness
from pgpool_lab.node.witness import CALM_SECONDS, ELECTION_SECONDS, PERIOD_SECONDS, Step, decide

HAND_OVER = Step(hand_over=True, pause=ELECTION_SECONDS)
WATCH = Step(hand_over=False, pause=PERIOD_SECONDS)
CALM = Step(hand_over=False, pause=CALM_SECONDS)

DECISIONS: dict[str, tuple[list[str | None], Step]] = {
    "a node leads": (["STANDBY", "LEADER", "STANDBY"], CALM),
    "it leads and a node has joined": (["LEADER", "STANDBY", "SHUTDOWN"], HAND_OVER),
    "it leads and both have joined": (["LEADER", "STANDBY", "STANDBY"], HAND_OVER),
    "it leads alone": (["LEADER", "SHUTDOWN", "LOST"], WATCH),
    "it leads and a node is still joining": (["LEADER", "JOINING", "DEAD"], WATCH),
    "it is looking for a leader": (["JOINING", "STANDBY", "STANDBY"], WATCH),
    "its pgpool does not answer": ([], WATCH),
    "its state is unknown": ([None, "STANDBY", None], WATCH),
}


@pytest.mark.parametrize(("roles", "step"), DECISIONS.values(), ids=DECISIONS.keys())
def test_the_lead_is_handed_over_when_somebody_can_take_it(roles: list[str | None], step: Step) -> None:
    assert decide(roles) == step


CONFIG: dict[str, Any] = {"pgpool": {"service": "lab-pgpool.service"}}
LEADS = """3 3 YES 10.9.0.3:9999 Linux witness 10.9.0.3

10.9.0.3:9999 Linux witness 10.9.0.3 9999 9000 4 LEADER 0 MEMBER
node0:9999 Linux node0 node0 9999 9000 7 STANDBY 0 MEMBER
node4:9999 Linux node4 node4 9999 9000 10 SHUTDOWN 2 REMOVED-SHUTDOWN
"""


@pytest.mark.parametrize(("runs", "told"), [(True, [("try-restart", "lab-pgpool.service")]), (False, [])])
@pytest.mark.parametrize(("code", "said"), [(0, "restarted"), (1, "the restart failed (1): see pgpool.log")])
def test_it_restarts_a_pgpool_that_runs_and_tells_so(
    runs: bool,
    told: list[tuple[str, ...]],
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls: list[tuple[str, ...]] = []

    def systemctl(*words: str) -> int:
        calls.append(words)
        return code

    monkeypatch.setattr(pgpool, "is_running", lambda config: runs)
    monkeypatch.setattr(pgpool, "watchdog_info", lambda config: LEADS)
    monkeypatch.setattr(pgpool, "systemctl", systemctl)
    assert witness.watch(CONFIG).hand_over == runs
    assert calls == told
    assert capsys.readouterr().out.endswith(f"{said}\n" if runs else "")
