"""Phases of an update from the engine's events."""

from __future__ import annotations

from typing import Any

import pytest

from pgpool_lab.bench import Bench, phases
from pgpool_lab.node.cluster import STARTED


def event(seconds: int, kind: str, name: str, op: str = "create") -> dict[str, Any]:
    urn = f"urn:pulumi:two-node::pgpool-lab::pgpool-lab:index:Cluster${kind}::{name}"
    return {"timestamp": 1000 + seconds, "resOutputsEvent": {"metadata": {"op": op, "urn": urn}}}


def line(seconds: int, message: str) -> dict[str, Any]:
    """What the command `serve` says."""
    urn = f"urn:pulumi:two-node::pgpool-lab::pgpool-lab:index:Cluster${COMMAND}::serve"
    return {"timestamp": 1000 + seconds, "diagnosticEvent": {"urn": urn, "message": message, "severity": "info"}}


COMMAND = "command:remote:Command"
UPDATE = [
    {"timestamp": 1000, "preludeEvent": {}},
    event(5, "libvirt:index/volume:Volume", "image"),
    event(10, "libvirt:index/domain:Domain", "node0"),
    event(12, "libvirt:index/domain:Domain", "node4"),
    event(60, COMMAND, "node0-ready"),
    event(62, COMMAND, "node4-ready"),
    event(70, COMMAND, "ssh-mesh-trust-node0"),
    event(72, COMMAND, "postgres-node4-files"),
    event(80, COMMAND, "pgpool-node4-files"),
    event(92, COMMAND, "join"),
    {"timestamp": 1098, "diagnosticEvent": {"message": "the engine's own, without a resource"}},
    line(95, "2026-11-30 08:00:00 node0: nothing to do\n"),
    line(99, f"2026-11-30 08:00:00 {STARTED}\n"),
    event(110, COMMAND, "serve"),
    event(130, COMMAND, "ssh-mesh-check-node4"),
]


def test_each_phase_begins_where_the_one_before_ends() -> None:
    assert [(phase.begin, phase.end) for phase in phases(UPDATE)] == [
        (0, 12),
        (12, 62),
        (62, 72),
        (72, 92),
        (92, 99),
        (99, 110),
        (110, 130),
    ]


def test_ratios_compare_with_the_bare_machines_of_the_same_run() -> None:
    bench = Bench("a machine", "0123abc", phases(UPDATE), bare_pair=[50, 55], lean_and_default=[48, 96])
    assert bench.ready_ratio == pytest.approx(110 / 55)
    assert bench.boot_ratio == pytest.approx(0.5)
    assert bench.document()["phases"][0] == {"name": "engine, image, disks", "begin": 0, "end": 12, "seconds": 12}


def test_an_update_that_did_not_start_from_nothing_is_refused() -> None:
    repeated = [item for item in UPDATE if "resOutputsEvent" not in item or "serve" not in str(item)]
    with pytest.raises(ValueError, match="all agree"):
        phases([*repeated, event(110, COMMAND, "serve", op="same")])
