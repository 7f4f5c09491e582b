"""Samples of a lab, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pgpool_lab.harness.samples import BackendBelief, NodeSample, PgpoolSample, PostgresSample
from pgpool_lab.harness.scenarios.expectations import Evidence
from pgpool_lab.harness.scenarios.roles import roles_of

NAMES = ("node0", "node4", "node5")


def sample(
    name: str,
    *,
    at: float = 0.0,
    vip: bool = False,
    primary: bool | None = False,
    running: bool = True,
    source: str | None = "node0",
    down: Sequence[str] = (),
    believed_primary: str = "node0",
    silent_pgpool: bool = False,
) -> NodeSample:
    """A standby of node0 unless said otherwise; `primary` None: it does not answer."""
    backends = [
        BackendBelief(
            name=other,
            status="down" if other in down else "up",
            role="primary" if other == believed_primary else "standby",
        )
        for other in NAMES
    ]
    return NodeSample(
        node=name,
        earliest=at,
        latest=at,
        wall=at,
        reachable=True,
        holds_vip=vip,
        postgres=PostgresSample(
            running=running,
            in_recovery=None if primary is None or not running else not primary,
            accepts_writes=None if primary is None or not running else primary,
            timeline=1,
            lsn="0/1",
            streaming_from=None if primary or not running else source,
        ),
        pgpool=PgpoolSample(running=True, watchdog_role=None, backends=() if silent_pgpool else tuple(backends)),
    )


def lab(*samples: NodeSample) -> dict[str, NodeSample]:
    return {one.node: one for one in samples}


def healthy(*, holder: str = "node0", primary: str = "node0", at: float = 0.0) -> dict[str, NodeSample]:
    """Three nodes in order."""
    return lab(
        *(
            sample(name, at=at, vip=name == holder, primary=name == primary, source=primary, believed_primary=primary)
            for name in NAMES
        )
    )


def evidence(latest: dict[str, NodeSample], **changed: Any) -> Evidence:
    """Evidence of a lab that was healthy on node0; who answers by ARP is who holds the address."""
    now = roles_of(NAMES, latest)
    given: dict[str, Any] = {
        "before": roles_of(NAMES, healthy()),
        "now": now,
        "targets": ("node0",),
        "latest": latest,
        "since": list(latest.values()),
        "answerer": now.holders[0] if now.holders else None,
        "write_age": 0.1,
    }
    return Evidence(**{**given, **changed})
