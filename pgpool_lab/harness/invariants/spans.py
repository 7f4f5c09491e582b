"""When a node certainly was something, from samples that each are true at an unknown moment of an interval.

A sample at 10 s says that A is primary, one at 12 s that B is: that is a failover, not two primaries. Something is only
certain *between* two samples of the same node that both say so; one between them that nobody answered takes nothing
from that. So a node's span begins where its first sample ended
(`latest`), ends where its last one began (`earliest`), and two nodes were the same thing at the same time only when
their spans share a moment, or when a whole sample of one lies within the span of the other. That can miss an overlap
shorter than the pace of sampling; it raises no false alarm.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from pgpool_lab.harness.samples import NodeSample

GAP_SECONDS = 10.0
"""Two samples further apart than this don't vouch for the time between them."""


State = Callable[[NodeSample], Hashable | None]
Silent = Callable[[NodeSample], bool]


def never(sample: NodeSample) -> bool:
    """No sample is silent."""
    return False


@dataclass(frozen=True)
class Span:
    """A row of samples of one node that all say the same."""

    node: str
    samples: tuple[NodeSample, ...]

    @property
    def begin(self) -> float:
        return self.samples[0].latest

    @property
    def end(self) -> float:
        """Before `begin` for a single sample: then it is certain of no moment in particular."""
        return self.samples[-1].earliest


@dataclass(frozen=True)
class Overlap:
    """Two nodes were the same thing from `begin` to `end`, at least."""

    nodes: tuple[str, str]
    begin: float
    end: float


def spans(samples: Iterable[NodeSample], state: State, silent: Silent = never) -> list[Span]:
    """Spans of one node's samples, in order of time, in which `state` stays the same and is not None.

    Samples that are `silent` say nothing either way.
    """
    found: list[list[NodeSample]] = []
    current: Hashable | None = None
    for sample in samples:
        if silent(sample):
            continue
        before, current = current, state(sample)
        if current is None:
            continue
        if current == before and sample.earliest - found[-1][-1].latest <= GAP_SECONDS:
            found[-1].append(sample)
        else:
            found.append([sample])
    return [Span(run[0].node, tuple(run)) for run in found]


def overlaps(by_node: dict[str, list[NodeSample]], state: State, silent: Silent = never) -> Iterator[Overlap]:
    """Every time that is proven to be shared by two nodes, whatever their states are."""
    runs = {name: spans(samples, state, silent) for name, samples in by_node.items()}
    for first, second in combinations(runs, 2):
        for one in runs[first]:
            for other in runs[second]:
                shared = overlap(one, other)
                if shared:
                    yield Overlap((first, second), *shared)


def overlap(one: Span, other: Span) -> tuple[float, float] | None:
    """The time that two spans share, or the one sample that lies within the other span."""
    begin, end = max(one.begin, other.begin), min(one.end, other.end)
    if begin <= end:
        return begin, end
    for glimpses, span in ((one, other), (other, one)):
        for sample in glimpses.samples:
            if span.begin <= sample.earliest and sample.latest <= span.end:
                return sample.latest, sample.latest
    return None
