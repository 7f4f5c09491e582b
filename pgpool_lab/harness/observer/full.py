"""Samples from everything that the nodes can say of themselves, the watchdog's roles included.

It costs every node seconds of an emulated processor and pgpool a PCP session, so it is for moments when nothing is
measured: after a scenario, when all must agree.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pgpool_lab.cluster.client import Facts, facts_of
from pgpool_lab.cluster.outputs import LabOutputs
from pgpool_lab.harness.samples import BackendBelief, NodeSample, PgpoolSample, PostgresSample, unreachable


def full_samples(outputs: LabOutputs) -> list[NodeSample]:
    """One sample of every node, and of the witness where there is one, all asked at the same time."""
    earliest = time.monotonic()
    answers = facts_of(outputs, outputs.machines)
    latest, wall = time.monotonic(), time.time()
    return [from_facts(name, facts, earliest=earliest, latest=latest, wall=wall) for name, facts in answers.items()]


def from_facts(node: str, facts: Facts | None, *, earliest: float, latest: float, wall: float) -> NodeSample:
    """A sample from what `lab-node facts` says; None for a node that did not answer. A witness has no PostgreSQL."""
    if facts is None:
        return unreachable(node, earliest=earliest, latest=latest, wall=wall)
    pgpool = facts["pgpool"]
    return NodeSample(
        node=node,
        earliest=earliest,
        latest=latest,
        wall=wall,
        reachable=True,
        holds_vip=facts["vip"],
        postgres=postgres_from(facts["postgres"]) if "postgres" in facts else None,
        pgpool=PgpoolSample(
            running=pgpool["running"],
            watchdog_role=pgpool["watchdog_role"],
            backends=tuple(BackendBelief(**belief) for belief in pgpool["backends"]),
        ),
    )


def postgres_from(said: Mapping[str, Any]) -> PostgresSample:
    """A stopped server's facts are read from its files: they say what it was, and are left out."""
    known = said if said["running"] else {}
    return PostgresSample(
        running=said["running"],
        in_recovery=known.get("in_recovery"),
        accepts_writes=False if known.get("in_recovery") else None,
        timeline=known.get("timeline"),
        lsn=known.get("lsn"),
        streaming_from=known.get("streaming_from"),
    )
