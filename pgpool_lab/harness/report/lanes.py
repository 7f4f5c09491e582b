"""From samples to the stretches of time that a timeline shows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pgpool_lab.harness.samples import NodeSample, Sample, VipSample

PRIMARY, STANDBY, SILENT, STOPPED, UNREACHABLE = "primary", "standby", "no answer", "stopped", "unreachable"


@dataclass(frozen=True)
class Stretch:
    """A time during which one thing was seen to be the case, on the samples' clock."""

    begin: float
    end: float
    state: str


def stretches(seen: Iterable[tuple[float, str]], end: float) -> list[Stretch]:
    """Stretches from moments, in their order, at which something was seen; each lasts until the next is seen."""
    found: list[Stretch] = []
    for moment, state in seen:
        if found and found[-1].state == state:
            continue
        if found:
            found[-1] = Stretch(found[-1].begin, moment, found[-1].state)
        found.append(Stretch(moment, end, state))
    return found


def roles(samples: Iterable[Sample], node: str, end: float) -> list[Stretch]:
    """What one node's PostgreSQL was."""
    return stretches([(sample.latest, role(sample)) for sample in of_node(samples, node)], end)


def role(sample: NodeSample) -> str:
    """What a node's PostgreSQL is, in a word."""
    if not sample.reachable or sample.postgres is None:
        return UNREACHABLE
    if not sample.postgres.running:
        return STOPPED
    return {True: STANDBY, False: PRIMARY, None: SILENT}[sample.postgres.in_recovery]


def holdings(samples: Iterable[Sample], node: str, end: float) -> list[Stretch]:
    """When one node had the virtual IP; the times without are left out."""
    seen = [(sample.latest, "holds" if sample.holds_vip else "") for sample in of_node(samples, node)]
    return [stretch for stretch in stretches(seen, end) if stretch.state]


def answers(samples: Iterable[Sample], macs: Mapping[str, str], end: float) -> list[Stretch]:
    """Who answered for the virtual IP: a node's name, a stranger's address, or nothing for nobody."""
    names = {mac: name for name, mac in macs.items()}
    found = sorted((sample for sample in samples if isinstance(sample, VipSample)), key=lambda sample: sample.latest)
    return stretches(
        [(sample.latest, names.get(sample.mac, sample.mac) if sample.mac else "") for sample in found], end
    )


def of_node(samples: Iterable[Sample], node: str) -> list[NodeSample]:
    """One node's samples in the order of time."""
    found = [sample for sample in samples if isinstance(sample, NodeSample) and sample.node == node]
    return sorted(found, key=lambda sample: sample.latest)


def per_second(moments: Iterable[float], begin: float, end: float) -> list[int]:
    """How many of some moments lie in each second from `begin`; those outside are left out."""
    counts = [0] * max(1, int(end - begin))
    for moment in moments:
        index = int(moment - begin)
        if moment >= begin and index < len(counts):
            counts[index] += 1
    return counts
