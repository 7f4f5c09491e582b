"""What the faults of a run take from the cluster, and whether a commit still finds who confirms it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pgpool_lab.cluster.outputs import LabOutputs
from pgpool_lab.harness.faults import FAULTS, Losses
from pgpool_lab.harness.scenarios.run import Event


def losses_of(event: Event) -> Losses | None:
    """What a fault costs; None where that is open, and for what is no fault."""
    return FAULTS[event.name].losses if event.kind in ("fault", "load") else None


def without_postgresql(events: Iterable[Event]) -> set[str]:
    """The nodes whose PostgreSQL faults took, or may have taken, since all was restored last: healing starts none."""
    away: set[str] = set()
    for event in events:
        if event.kind == "restore":
            away.clear()
        elif event.kind == "fault":
            losses = losses_of(event)
            if losses is None or losses.postgresql is not None:
                away.update(event.nodes)
    return away


def lost_for_certain(events: Iterable[Event]) -> set[str]:
    """Those of them whose PostgreSQL is gone in any case: no fault that leaves it open, and none that was healed."""
    gone: set[str] = set()
    for event in events:
        losses = losses_of(event)
        if event.kind in ("restore", "heal"):
            gone.difference_update(event.nodes)
        elif losses is not None and losses.postgresql is not None:
            gone.update(event.nodes)
    return gone


def parted(events: Iterable[Event]) -> bool:
    """Whether nodes are cut from each other after all this."""
    cut = False
    for event in events:
        cut = event.kind != "heal" and (cut or (event.kind == "fault" and FAULTS[event.name].parts_nodes))
    return cut


def commits_wait(outputs: LabOutputs, away: Collection[str]) -> bool:
    """Whether commits wait until the lab is restored, with these nodes away: no standby is left to confirm them."""
    return outputs.replication == "sync" and len(outputs.nodes) - len(away) < 2
