"""Faults are recorded before, and healed whatever happens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from pgpool_lab.errors import LabError
from pgpool_lab.harness.control import Control, Moment
from pgpool_lab.harness.faults import Entry, Fault, Injector, Losses, NotInEffect, Record, Target, injector
from tests.unit.harness_faults.fakes import OUTPUTS, FakeControl

NODE0, NODE1, NODE2 = OUTPUTS.nodes


@dataclass(frozen=True)
class Marked(Fault):
    """Leaves a mark for each thing that is done with it."""

    injected: BaseException | None = None

    def inject(self, control: Control, target: Target) -> Moment:
        control.shell(target.node, f"inject {self.name}")
        if self.injected:
            raise self.injected
        return Moment(1.0, 2.0)

    def heal(self, control: Control, target: Target) -> None:
        control.shell(target.node, f"heal {self.name}")


def marked(name: str, **raised: BaseException) -> Marked:
    return Marked(name, f"{name}.", Losses(pgpool="silent"), **raised)


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path / "faults" / "injected.json")


@pytest.fixture
def control() -> FakeControl:
    return FakeControl()


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> dict[str, Fault]:
    """The table that names are looked up in when a record is healed."""
    table: dict[str, Fault] = {}
    monkeypatch.setattr(injector, "fault_named", table.__getitem__)
    return table


def known(faults: dict[str, Fault], fault: Marked) -> Marked:
    faults[fault.name] = fault
    return fault


def test_a_fault_is_recorded_before_it_is_injected(
    control: FakeControl, record: Record, faults: dict[str, Fault]
) -> None:
    recorded: list[list[Entry]] = []

    def says(node: str, what: str) -> str:
        recorded.append(record.entries())
        return ""

    control.says = says
    Injector(control, record).inject(known(faults, marked("a")), NODE0)
    assert [entry.fault for entry in recorded[0]] == ["a"]


def test_everything_is_healed_in_reverse_order_of_injection(
    control: FakeControl, record: Record, faults: dict[str, Fault]
) -> None:
    first = Injector(control, record)
    for name, node in (("a", NODE0), ("b", NODE1), ("c", NODE0)):
        first.inject(known(faults, marked(name)), node)
    control.done.clear()
    # Somebody else: the one who injected them is dead.
    healed = Injector(control, record).heal_all()
    assert control.done == [("node0", "heal c"), ("node1", "heal b"), ("node0", "heal a")]
    assert [entry.fault for entry in healed] == ["c", "b", "a"]
    assert record.entries() == []


def test_healing_again_does_nothing(control: FakeControl, record: Record, faults: dict[str, Fault]) -> None:
    one = Injector(control, record)
    one.inject(known(faults, marked("a")), NODE0)
    one.heal_all()
    control.done.clear()
    assert one.heal_all() == []
    assert control.done == []


def test_a_fault_that_does_not_take_effect_is_healed_and_told(
    control: FakeControl, record: Record, faults: dict[str, Fault]
) -> None:
    with pytest.raises(NotInEffect, match="not there"):
        Injector(control, record).inject(known(faults, marked("a", injected=NotInEffect("not there"))), NODE0)
    assert control.done[-1] == ("node0", "heal a")
    assert record.entries() == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), LabError("refused"), RuntimeError()])
def test_an_injection_that_is_interrupted_is_healed(
    error: BaseException, control: FakeControl, record: Record, faults: dict[str, Fault]
) -> None:
    with pytest.raises(type(error)):
        Injector(control, record).inject(known(faults, marked("a", injected=error)), NODE0)
    assert control.done[-1] == ("node0", "heal a")
    assert record.entries() == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, AssertionError])
def test_a_fault_ends_with_its_block_however_that_ends(
    error: type[BaseException], control: FakeControl, record: Record, faults: dict[str, Fault]
) -> None:
    injector = Injector(control, record)
    with pytest.raises(error), injector.all_healed():
        injector.inject(known(faults, marked("a")), NODE0)
        assert len(record.entries()) == 1
        raise error
    assert control.done[-1] == ("node0", "heal a")
    assert record.entries() == []


def test_one_that_cannot_be_healed_stays_recorded_and_the_others_are_healed(
    control: FakeControl, record: Record, faults: dict[str, Fault]
) -> None:
    one = Injector(control, record)
    for name, node in (("a", NODE0), ("b", NODE1), ("c", NODE2)):
        one.inject(known(faults, marked(name)), node)
    control.unreachable = {"node1"}
    with pytest.raises(LabError, match="b on node1: node1 did not answer"):
        one.heal_all()
    assert [entry.fault for entry in record.entries()] == ["b"]
    control.unreachable = set()
    one.heal_all()
    assert record.entries() == []


def test_a_fault_on_several_nodes_is_taken_back_when_it_fails_on_one(
    control: FakeControl, record: Record, faults: dict[str, Fault]
) -> None:
    control.unreachable = {"node1"}
    with pytest.raises(LabError, match="node1"):
        Injector(control, record).inject_all(known(faults, marked("a")), [NODE0, NODE1])
    assert ("node0", "heal a") in control.done
    assert [entry.node for entry in record.entries()] == ["node1"]


def test_without_peers_a_fault_concerns_all_other_nodes(
    control: FakeControl, record: Record, faults: dict[str, Fault]
) -> None:
    fault = known(faults, marked("a"))
    assert Injector(control, record).inject(fault, NODE1).target.peers == (NODE0, NODE2)
    assert Injector(control, record).inject(fault, NODE1, [NODE2]).target.peers == (NODE2,)
