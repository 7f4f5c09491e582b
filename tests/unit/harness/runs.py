"""Runs that never happened: samples and ledgers built by hand, times in seconds from an arbitrary zero."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal

from pgpool_lab.harness import ledger
from pgpool_lab.harness.invariants.model import Evidence, Expectations, Rows
from pgpool_lab.harness.ledger import Read, Way, Write
from pgpool_lab.harness.samples import (
    BackendBelief,
    NodeSample,
    PgpoolSample,
    PostgresSample,
    Sample,
    VipSample,
    unreachable,
)

NAMES = ("node0", "node4")
MACS = {"node0": "52:54:00:31:01:33", "node4": "52:54:00:31:01:34"}
WALL = 1_700_000_000.0
ALWAYS = (-math.inf, math.inf)

Role = Literal["primary", "standby", "stopped", "silent"]


def beliefs(
    primary: str = "node0", down: Iterable[str] = (), names: Iterable[str] = NAMES
) -> tuple[BackendBelief, ...]:
    """What a pgpool believes: one primary, all up but `down`."""
    gone = set(down)
    return tuple(
        BackendBelief(
            name=name, status="down" if name in gone else "up", role="primary" if name == primary else "standby"
        )
        for name in names
    )


def node(
    name: str,
    at: float,
    *,
    took: float = 0.2,
    holds: bool = False,
    role: Role = "standby",
    timeline: int | None = 1,
    accepts: bool | None = None,
    watchdog: str | None = "STANDBY",
    believes: tuple[BackendBelief, ...] = (),
    noticed: int | None = None,
) -> NodeSample:
    """A sample that was asked for `took` before `at`. No watchdog state means that pgpool is stopped."""
    return NodeSample(
        node=name,
        earliest=at - took,
        latest=at,
        wall=WALL + at,
        reachable=True,
        holds_vip=holds,
        postgres=PostgresSample(
            running=role != "stopped",
            in_recovery={"primary": False, "standby": True}.get(role),
            accepts_writes=accepts,
            timeline=timeline,
            lsn="0/5000100",
            streaming_from="node0" if role == "standby" else None,
        ),
        pgpool=PgpoolSample(running=watchdog is not None, watchdog_role=watchdog, backends=believes, noticed=noticed),
    )


def gone(name: str, at: float, *, took: float = 2.0) -> NodeSample:
    """A node that didn't answer."""
    return unreachable(name, earliest=at - took, latest=at, wall=WALL + at)


def vip(at: float, mac: str | None = MACS["node0"]) -> VipSample:
    return VipSample(earliest=at - 0.1, latest=at, wall=WALL + at, mac=mac)


def write(
    number: int,
    sent: float,
    outcome: Literal["acknowledged", "failed", "unknown"] = "acknowledged",
    *,
    client: str = "writer0",
    took: float = 0.05,
    way: Way = "vip",
) -> Write:
    error = None if outcome == "acknowledged" else "server closed the connection unexpectedly"
    return Write(client=client, way=way, number=number, sent=sent, done=sent + took, outcome=outcome, error=error)


def read(
    sent: float, count: int | None, *, backend: str = "192.168.31.134", client: str = "reader0", took: float = 0.05
) -> Read:
    """A read that saw `count` rows; None failed."""
    return Read(
        client=client,
        sent=sent,
        done=sent + took,
        outcome="failed" if count is None else "ok",
        error="timeout" if count is None else None,
        count=count,
        newest=count or None,
        backend=None if count is None else backend,
        backend_time=None if count is None else WALL + sent,
    )


def healthy_end(at: float = 100.0) -> list[Sample]:
    """The last samples of a lab that is as it was in the beginning."""
    return [
        node("node0", at, holds=True, role="primary", watchdog="LEADER", believes=beliefs()),
        node("node4", at, believes=beliefs()),
        vip(at),
    ]


def evidence(
    *,
    samples: Iterable[Sample] = (),
    entries: Iterable[Write | Read] = (),
    rows: Mapping[str, Rows | None] | None = None,
    replication: Literal["async", "sync"] = "async",
    losable: tuple[tuple[float, float], ...] = (ALWAYS,),
) -> Evidence:
    """A run's evidence; without `rows`, every node has every row that may be there."""
    book = ledger.of(entries)
    every = tuple(sorted(book.possible))
    return Evidence(
        samples=tuple(samples),
        ledger=book,
        rows=dict.fromkeys(NAMES, every) if rows is None else rows,
        expected=Expectations(replication=replication, macs=MACS, delay_seconds=10, losable=losable),
    )
