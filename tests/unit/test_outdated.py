"""Snapshots are removed by an update that changed something, and by no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest

from pgpool_lab import event_log, outdated
from pgpool_lab import lab as module
from pgpool_lab.engine import Engine
from pgpool_lab.errors import LabError
from pgpool_lab.harness import snapshot
from pgpool_lab.lab import Lab
from pgpool_lab.paths import LabPaths
from tests.unit.harness_faults.fakes import OUTPUTS, FakeControl


def step(op: str, *, planning: bool = False) -> str:
    """A line of the engine's event log."""
    event = {"metadata": {"op": op, "urn": "urn:pulumi:two-node::pgpool-lab::a:b:C::node0"}}
    return json.dumps({"resourcePreEvent": event | ({"planning": True} if planning else {})})


LOGS: dict[str, tuple[list[str], bool]] = {
    "nothing": ([], False),
    "everything is as it was": ([step("refresh"), step("same"), step("read")], False),
    "a command ran again": ([step("same"), step("update")], True),
    "a machine was made": ([step("create")], True),
    "a machine was replaced": ([step("create-replacement"), step("replace"), step("delete-replaced")], True),
    "it was only a preview": ([step("update", planning=True)], False),
    "another event that names one": ([json.dumps({"diagnosticEvent": {"message": "resourcePreEvent"}})], False),
}


@pytest.mark.parametrize(("lines", "expected"), LOGS.values(), ids=LOGS.keys())
def test_an_update_that_changed_something_is_told_by_its_events(
    lines: list[str], expected: bool, tmp_path: Path
) -> None:
    log = tmp_path / "events.json"
    assert not outdated.changes(event_log.read(log))
    log.write_text("".join(f"{line}\n" for line in lines))
    assert outdated.changes(event_log.read(log)) == expected


def test_every_snapshot_is_removed_from_the_machines_that_there_are() -> None:
    def says(node: str, what: str) -> str:
        return "lab-node0\nlab-node2\nanother" if what.startswith("list") else "healthy\napart\nmine"

    control = FakeControl(says)
    snapshot.forget(control)
    assert control.done == [
        (node, f"snapshot-delete {name}") for node in ("node0", "node2") for name in ("healthy", "apart")
    ]


class FakeEngine:
    """An update that leaves one event."""

    def __init__(self, op: str, code: int = 0) -> None:
        self._op, self._code = op, code

    def run(self, arguments: list[str]) -> int:
        Path(arguments[arguments.index("--event-log") + 1]).write_text(step(self._op) + "\n")
        return self._code


@pytest.mark.parametrize(("op", "code", "expected"), [("same", 0, 0), ("update", 0, 1), ("update", 1, 1)])
def test_lab_up_removes_them_after_a_change_whether_or_not_it_succeeded(
    op: str, code: int, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(LabPaths("two-node", tmp_path))
    forgotten: list[Engine] = []
    monkeypatch.setattr(module, "forget_snapshots", forgotten.append)
    engine = cast("Engine", FakeEngine(op, code))
    assert lab._update(engine) == code
    assert len(forgotten) == expected


def test_a_lab_that_was_never_whole_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare:
        def outputs(self) -> None:
            raise LabError("the stack two-node does not hold a lab's outputs")

    monkeypatch.setattr(snapshot, "forget", lambda control: pytest.fail("nothing to forget"))
    outdated.forget_snapshots(cast("Engine", Bare()))


def test_what_is_removed_is_the_engine_s_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    class Whole:
        outputs = staticmethod(lambda: OUTPUTS)

    seen: list[object] = []
    monkeypatch.setattr(snapshot, "forget", lambda control: seen.append(control.outputs))
    outdated.forget_snapshots(cast("Engine", Whole()))
    assert seen == [OUTPUTS]
