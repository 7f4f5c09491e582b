"""From a line of `lab-node watch` to a sample."""

from __future__ import annotations

import json
from typing import Any

from pgpool_lab.harness.samples import BackendBelief, NodeSample, PgpoolSample, PostgresSample


def read_line(node: str, line: str, *, earliest: float, latest: float, wall: float) -> tuple[NodeSample, float]:
    """The sample, and the node's uptime in seconds when it was taken. Raises ValueError or KeyError for other text."""
    said: dict[str, Any] = json.loads(line)
    sample = NodeSample(
        node=node,
        earliest=earliest,
        latest=latest,
        wall=wall,
        reachable=True,
        holds_vip=said["vip"],
        postgres=postgres(said["postgres"]),
        pgpool=pgpool(said["pgpool"]),
    )
    return sample, float(said["uptime"])


def postgres(said: dict[str, Any]) -> PostgresSample:
    """A server that did not answer has a state that nobody knows; it may run all the same."""
    answered = said["answered"]
    return PostgresSample(
        running=said["running"],
        in_recovery=said["role"] == "standby" if answered else None,
        accepts_writes=said["writable"] if answered else None,
        timeline=said["timeline"] if answered else None,
        lsn=said["lsn"] if answered else None,
        streaming_from=said["streaming_from"] if answered else None,
    )


def pgpool(said: dict[str, Any]) -> PgpoolSample:
    """The watchdog's role is not asked: only PCP tells it, see `pgpool_lab/node/watch.py` and `full.py`."""
    beliefs = said["backends"] or []
    return PgpoolSample(
        running=said["running"],
        watchdog_role=None,
        backends=tuple(BackendBelief(**belief) for belief in beliefs),
        noticed=said["noticed"],
    )
