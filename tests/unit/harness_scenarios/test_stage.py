"""The way to where a scenario begins, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pgpool_lab.cluster.outputs import MachineOutput
from pgpool_lab.errors import LabError
from pgpool_lab.harness import snapshot
from pgpool_lab.harness.control import Control
from pgpool_lab.harness.faults.record import Record
from pgpool_lab.harness.scenarios import stage
from pgpool_lab.harness.scenarios.model import Arrangement
from pgpool_lab.harness.scenarios.stage import Rewinding, shown
from pgpool_lab.harness.snapshot import Rewound
from tests.unit.harness_faults.fakes import FakeControl


def status(primary: str, holder: str) -> dict[str, Any]:
    """The parts of a status document that tell the roles."""
    nodes = [
        {"name": name, "postgres": {"role": "primary" if name == primary else "standby"}} for name in ("node0", "node4")
    ]
    return {"vip": {"holders": [holder]}, "nodes": nodes}


@pytest.fixture
def rewinding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Rewinding]:
    """On a lab with a snapshot whose roles lie together; a rewind takes seven seconds."""
    clock = iter([100.0, 107.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(snapshot, "exists", lambda control, name: True)
    monkeypatch.setattr(snapshot, "rewind", lambda control, record, name: Rewound(status("node0", "node0"), {}))
    monkeypatch.setattr(snapshot, "take", lambda control, record, name: None)
    monkeypatch.setattr(stage, "restore", lambda control: [])
    monkeypatch.setattr(stage, "arrange", lambda control, begins: None)
    yield Rewinding(FakeControl(), Record(tmp_path / "faults"), lambda line: None)


def test_a_rewind_is_timed_until_the_lab_is_healthy(rewinding: Rewinding) -> None:
    rewinding.prepare(Arrangement.TOGETHER)
    assert (rewinding.rewind_seconds, rewinding.rewind_failure) == (7.0, "")


def test_another_way_than_a_rewind_has_no_time(rewinding: Rewinding, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(control: Control, record: Record, name: str) -> None:
        raise LabError("the lab does not become healthy")

    rewinding.prepare(Arrangement.TOGETHER)
    monkeypatch.setattr(time, "monotonic", lambda: 200.0)
    monkeypatch.setattr(snapshot, "rewind", fails)
    rewinding.prepare(Arrangement.TOGETHER)
    assert rewinding.rewind_seconds is None
    assert rewinding.rewind_failure == "the rewind failed: the lab does not become healthy"


def test_machines_that_are_torn_apart_are_left_paused(rewinding: Rewinding, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(control: Control, record: Record, name: str) -> None:
        raise snapshot.TornApart("node1 could not be reverted")

    monkeypatch.setattr(snapshot, "rewind", fails)
    monkeypatch.setattr(stage, "restore", lambda control: pytest.fail("resumes them"))
    with pytest.raises(snapshot.TornApart):
        rewinding.prepare(Arrangement.TOGETHER)


def test_a_rewind_to_other_roles_has_no_time(rewinding: Rewinding) -> None:
    rewinding.prepare(Arrangement.APART)
    assert rewinding.rewind_seconds is None
    assert "other roles" in rewinding.rewind_failure


def test_without_a_snapshot_there_is_no_failure(rewinding: Rewinding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "exists", lambda control, name: False)
    rewinding.prepare(Arrangement.TOGETHER)
    assert (rewinding.rewind_seconds, rewinding.rewind_failure) == (None, "")


def test_roles_are_told_once_the_lab_is_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Control] = []

    def becomes_healthy(control: Control) -> dict[str, Any]:
        asked.append(control)
        return status("node4", "node0")

    monkeypatch.setattr(stage, "wait_until_healthy", becomes_healthy)
    control = FakeControl()
    assert stage.roles(control) == ("node0", "node4")
    assert asked == [control]


class Switching(FakeControl):
    """A lab whose switchovers bring the virtual IP to where each is said to, one after the other."""

    def __init__(self, holders: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.holders, self.primaries = holders, ["node1"]
        monkeypatch.setattr(stage, "wait_until_healthy", lambda control: self.status())

    def status(self) -> dict[str, Any]:
        nodes = [{"name": self.primaries[-1], "postgres": {"role": "primary"}}]
        return {"vip": {"holders": self.holders[:1]}, "nodes": nodes}

    def agent(self, node: MachineOutput, *words: str) -> dict[str, Any]:
        self.primaries.append(words[-1])
        self.holders = self.holders[1:] or self.holders
        return {}


def test_a_switchover_to_the_first_node_may_bring_the_virtual_ip_along(monkeypatch: pytest.MonkeyPatch) -> None:
    control = Switching(["node1", "node0"], monkeypatch)
    stage.arrange(control, Arrangement.APART)
    assert control.primaries == ["node1", "node0", "node1"]


def test_roles_that_cannot_be_arranged_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    control = Switching(["node1", "node0", "node1"], monkeypatch)
    with pytest.raises(LabError, match="after switchovers to node0, node1"):
        stage.arrange(control, Arrangement.APART)


def test_roles_lie_apart_when_a_standby_holds_the_virtual_ip() -> None:
    assert shown(status("node4", "node4")) is Arrangement.TOGETHER
    assert shown(status("node4", "node0")) is Arrangement.APART
