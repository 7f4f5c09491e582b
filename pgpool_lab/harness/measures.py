"""How long things took: pure functions of what was recorded and of the moment of the fault. All times in seconds.

Every outage is taken from success to success, as a client feels it, so it includes the pace of what was measured: a
writer that sends five rows a second has gaps of 0.2 s while all is well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from pydantic import BaseModel, ConfigDict

from pgpool_lab.harness.invariants.beliefs import belief, holds
from pgpool_lab.harness.invariants.model import Evidence
from pgpool_lab.harness.invariants.rows import answered
from pgpool_lab.harness.ledger import Entry, Way
from pgpool_lab.harness.samples import NodeSample

PAUSE_SECONDS = 3.0
"""A client of ours that is in succeeds several times in so long, on a busy machine, too: writes flow, and a client is
back, when the latest success is no older."""


class Gap(BaseModel):
    """A time without success, `time.monotonic()`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    begin: float
    """The last success before it."""
    end: float
    """The first success after it; where there was none, the last moment that was looked at."""
    over: bool
    """Whether a success ended it."""

    @property
    def seconds(self) -> float:
        return self.end - self.begin


class Measures(BaseModel):
    """How long one fault was felt. None: it didn't happen, or nobody looked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    write_outage: Gap | None
    """Longest time between two acknowledged rows of one writer through the virtual IP."""
    write_outage_by_dsn_all: Gap | None = None
    """The same of the writer whose connection string names every node's pgpool."""
    read_outage: Gap | None
    """Longest time between two successful reads of one reader."""
    vip_outage: Gap | None
    """Longest time between two answers for the virtual IP with a second between them in which nobody answered."""
    holder_outage: Gap | None
    """Longest time between two samples of nodes that hold the virtual IP, the former holder without it in between."""
    detection_seconds: float | None = None
    """From the fault until a pgpool on any node was seen to have logged that a backend or another pgpool is gone."""
    promotion_seconds: float | None
    """From the fault until a node that wasn't primary before it was seen to take writes."""
    belief_seconds: float | None
    """From the fault until a pgpool on any node was seen to believe something else of a backend than before: None where
    no backend is lost. Who asks pgpool learns of the loss then: during a failover it answers nobody."""
    takeover_seconds: float | None
    """From the fault until a node that didn't hold the virtual IP before it was seen to hold it."""


class Counts(BaseModel):
    """What became of the rows of a whole run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    acknowledged: int
    failed: int
    unknown: int
    lost: tuple[int, ...] | None
    """Acknowledged rows that at least one of the nodes asked lacks in the end; None when none of them answered."""


@dataclass(frozen=True)
class Window:
    """The part of a run in which one fault is felt, `time.monotonic()`: without its repair, or the next fault."""

    fault: float
    """When the fault struck."""
    end: float
    """When the next thing was done to the lab."""


def measure(evidence: Evidence, window: Window) -> Measures:
    """How long a fault was felt."""
    reads = evidence.ledger.reads
    return Measures(
        write_outage=longest(write_gaps(evidence, "vip"), window),
        write_outage_by_dsn_all=longest(write_gaps(evidence, "all"), window),
        read_outage=longest(client_gaps([(read, read.outcome == "ok") for read in reads]), window),
        vip_outage=longest(gaps_between(answers(evidence)), window),
        holder_outage=longest(gaps_between(holdings(evidence)), window),
        detection_seconds=first_after(window, detections(evidence, window)),
        promotion_seconds=first_after(window, newly(evidence, window, says_primary)),
        belief_seconds=first_after(window, changes_of_belief(evidence, window)),
        takeover_seconds=first_after(window, newly(evidence, window, says_holder)),
    )


def count(evidence: Evidence) -> Counts:
    """What became of all rows."""
    counts = Counter(write.outcome for write in evidence.ledger.writes)
    return Counts(
        acknowledged=counts["acknowledged"],
        failed=counts["failed"],
        unknown=counts["unknown"],
        lost=lost(evidence),
    )


def longest(gaps: Iterable[Gap], window: Window) -> Gap | None:
    """The longest gap that shares a moment with the window; one that was not over then is longer than any other."""
    inside = (gap for gap in gaps if gap.end >= window.fault and gap.begin <= window.end)
    parts = (part for gap in inside if (part := until(gap, window.end)))
    return max(parts, key=lambda gap: (not gap.over, gap.seconds), default=None)


def until(gap: Gap, end: float) -> Gap | None:
    """A gap as far as it belongs to what ended then: not over, when something had to be done to end it.

    None for a pause that the next thing found under way: what is longer of it then is that thing's.
    """
    if gap.end <= end:
        return gap
    return Gap(begin=gap.begin, end=end, over=False) if end - gap.begin > PAUSE_SECONDS else None


def write_gaps(evidence: Evidence, way: Way) -> Iterator[Gap]:
    """Times between acknowledged rows of each writer of one way."""
    return client_gaps((write, write.outcome == "acknowledged") for write in evidence.ledger.written(way))


def client_gaps(attempts: Iterable[tuple[Entry, bool]]) -> Iterator[Gap]:
    """Times without success of each client, from attempts in the order of time with whether they succeeded.

    One client's gap isn't closed by another's success: each is an application of its own. Its first attempt begins one,
    too.
    """
    by_client: dict[str, list[tuple[Entry, bool]]] = {}
    for entry, succeeded in attempts:
        by_client.setdefault(entry.client, []).append((entry, succeeded))
    for own in by_client.values():
        successes = [entry.done for entry, succeeded in own if succeeded and entry.done is not None]
        began = own[0][0].sent
        yield from (Gap(begin=begin, end=end, over=True) for begin, end in pairwise([began, *successes]))
        last = max(entry.sent if entry.done is None else entry.done for entry, _ in own)
        if not successes or last > successes[-1]:
            yield Gap(begin=successes[-1] if successes else began, end=last, over=False)


def gaps_between(looks: Iterable[tuple[float, bool]]) -> Iterator[Gap]:
    """Times from a success to the next with a failure in between, from looks in the order of time."""
    begin: float | None = None
    failed: float | None = None
    for moment, succeeded in looks:
        if not succeeded:
            failed = moment
            begin = moment if begin is None else begin
            continue
        if failed is not None and begin is not None:
            yield Gap(begin=begin, end=moment, over=True)
        begin, failed = moment, None
    if failed is not None and begin is not None:
        yield Gap(begin=begin, end=failed, over=False)


def answers(evidence: Evidence) -> list[tuple[float, bool]]:
    """When somebody outside asked for the virtual IP, and whether somebody answered."""
    return sorted((sample.latest, sample.mac is not None) for sample in evidence.vip_samples)


def holdings(evidence: Evidence) -> Iterator[tuple[float, bool]]:
    """When a node was seen to hold the virtual IP, and when none was known to any more."""
    known: set[str] = set()
    for sample in ordered(evidence):
        if holds(sample):
            known.add(sample.node)
            yield sample.latest, True
        else:
            known.discard(sample.node)
            if not known:
                yield sample.latest, False


def detections(evidence: Evidence, window: Window) -> Iterator[float]:
    """When a pgpool was seen to have logged a loss since the fault. A node's count begins anew with its connection."""
    for samples in evidence.by_node.values():
        known = 0
        for sample in samples:
            if sample.pgpool is None or sample.pgpool.noticed is None:
                continue
            if not before(sample, window) and sample.pgpool.noticed not in (0, known):
                yield sample.latest
            known = sample.pgpool.noticed


def changes_of_belief(evidence: Evidence, window: Window) -> Iterator[float]:
    """When a running pgpool was seen to believe something else than before the fault."""
    for samples in evidence.by_node.values():
        beliefs = [belief(sample.pgpool) for sample in samples if before(sample, window) and sample.pgpool]
        believed = next((seen for seen in reversed(beliefs) if seen), None)
        for sample in samples:
            if before(sample, window) or sample.pgpool is None or not sample.pgpool.running:
                continue
            now = belief(sample.pgpool)
            if believed and now and now != believed:
                yield sample.latest


def newly(evidence: Evidence, window: Window, says: Callable[[NodeSample], bool | None]) -> Iterator[float]:
    """When nodes said to be in a state that they last said not to be in before the fault; None says nothing.

    What was asked before the fault may have been answered by what was there before it.
    """
    for samples in evidence.by_node.values():
        earlier = [said for sample in samples if before(sample, window) and (said := says(sample)) is not None]
        if earlier and not earlier[-1]:
            yield from (sample.latest for sample in samples if sample.earliest >= window.fault and says(sample))


def first_after(window: Window, moments: Iterable[float]) -> float | None:
    """Seconds from the fault to the first of some moments within the window."""
    first = min((moment for moment in moments if moment <= window.end), default=None)
    return None if first is None else first - window.fault


def lost(evidence: Evidence) -> tuple[int, ...] | None:
    """Acknowledged rows that at least one node that was asked lacks; None when none of them answered."""
    said = [set(rows) for rows in answered(evidence).values()]
    if not said:
        return None
    return tuple(
        write.number for write in evidence.ledger.acknowledged if any(write.number not in rows for rows in said)
    )


def ordered(evidence: Evidence) -> list[NodeSample]:
    """All nodes' samples in the order of time."""
    return sorted(
        (sample for samples in evidence.by_node.values() for sample in samples), key=lambda sample: sample.latest
    )


def before(sample: NodeSample, window: Window) -> bool:
    """Whether a sample certainly shows what was before the fault."""
    return sample.latest <= window.fault


def says_primary(sample: NodeSample) -> bool | None:
    """Whether a node takes writes; None when it didn't say."""
    postgres = sample.postgres
    if postgres is None or (postgres.running and postgres.in_recovery is None):
        return None
    return postgres.is_primary


def says_holder(sample: NodeSample) -> bool | None:
    """Whether a node has the virtual IP; None when it didn't say."""
    return sample.holds_vip
