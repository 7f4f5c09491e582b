"""Whose PostgreSQL is away, by what was done to the lab."""

from __future__ import annotations

import pytest

from pgpool_lab.harness.scenarios.losses import lost_for_certain, parted, without_postgresql
from pgpool_lab.harness.scenarios.run import Event, Kind


def event(name: str, *nodes: str, kind: Kind = "fault") -> Event:
    return Event(kind=kind, step=0, name=name, nodes=nodes, holders=(), primaries=(), earliest=0.0, latest=1.0)


LOST = event("machine-power-off", "node0")
AWAY: dict[str, tuple[tuple[Event, ...], set[str]]] = {
    "nothing was done": ((), set()),
    "a lost machine": ((LOST,), {"node0"}),
    "one after the other": ((LOST, event("postgresql-kill", "node4")), {"node0", "node4"}),
    "an open outcome": ((event("partition", "node0"),), {"node0"}),
    "a lost pgpool": ((event("pgpool-kill", "node0"),), set()),
    "a load": ((event("base-backup", "node4", kind="load"),), set()),
    "healed": ((LOST, event("heal", "node0", kind="heal")), {"node0"}),
    "restored": ((LOST, event("restore", "node0", "node4", kind="restore")), set()),
}


@pytest.mark.parametrize(("events", "away"), AWAY.values(), ids=AWAY.keys())
def test_a_postgresql_is_away_from_a_fault_that_may_take_it_until_all_is_restored(
    events: tuple[Event, ...], away: set[str]
) -> None:
    assert without_postgresql(events) == away


CERTAIN = AWAY | {"an open outcome": (AWAY["an open outcome"][0], set()), "healed": (AWAY["healed"][0], set())}


@pytest.mark.parametrize(("events", "gone"), CERTAIN.values(), ids=CERTAIN.keys())
def test_a_postgresql_is_gone_for_certain_until_its_fault_is_healed(events: tuple[Event, ...], gone: set[str]) -> None:
    assert lost_for_certain(events) == gone


CUT, HEAL = event("partition", "node0"), event("heal", "node0", kind="heal")
PARTED = {
    "nothing was done": ((), False),
    "another fault": ((LOST,), False),
    "cut": ((CUT,), True),
    "cut, and another fault": ((CUT, LOST), True),
    "mended": ((CUT, HEAL), False),
    "cut again": ((CUT, HEAL, CUT), True),
}


@pytest.mark.parametrize(("events", "cut"), PARTED.values(), ids=PARTED.keys())
def test_nodes_are_cut_from_each_other_until_it_is_mended(events: tuple[Event, ...], cut: bool) -> None:
    assert parted(events) == cut
