"""What invariants are given, and what they find."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pgpool_lab.harness.ledger import Ledger, Write
from pgpool_lab.harness.samples import NodeSample, Sample, VipSample

Rows = tuple[int, ...]
"""The numbers in one node's table, ascending; one that is there twice is listed twice."""


TOLD_SECONDS = 20.0
"""The leader's pgpool tells the others when its failover has ended, and they take its view over at once
(watchdog/watchdog.c, WD_FAILOVER_END; main/pgpool_main.c, sync_backend_from_watchdog). On emulated nodes what each says
is some seconds old."""
ALONE_SECONDS = 60.0
"""The same where every pgpool fails over by itself (3.2): each attaches the standbys by a follow command of its own,
and these ended up to 40 s apart on emulated nodes."""
UNAWARE_SECONDS = 2.0
"""Within this time a machine that stood still has ended its primary, if another was promoted. It goes on with what it
was doing, and nothing on it shows that time has passed: it learns of the other by what comes over the network (the
agent's `replacement.py`)."""


@dataclass(frozen=True)
class Resumption:
    """A primary's machine that had stood still went on, `time.monotonic()`."""

    node: str
    earliest: float
    told: float
    """By when it has ended its PostgreSQL if another was promoted."""


@dataclass(frozen=True)
class Expectations:
    """What this lab and this scenario promise."""

    replication: Literal["async", "sync"]
    macs: Mapping[str, str]
    """Each node's MAC address on the lab's network, by its name, in lower case."""
    delay_seconds: float
    """How far behind a read through the virtual IP may be."""
    losable: tuple[tuple[float, float], ...] = ()
    """Between which times, `time.monotonic()`, asynchronous replication may have acknowledged rows that are lost;
    synchronous never may."""
    resumed: tuple[Resumption, ...] = ()
    """When primaries' machines that stood still went on."""
    split: tuple[float, float] | None = None
    """Between which times, `time.monotonic()`, two holders and two primaries are what this scenario may lead to on this
    lab; None: never."""
    told_until: float = math.inf
    """Until when every pgpool that answers can have been told what the others know, `time.monotonic()`: mending, or a
    fault that may cut one off, ends it."""
    told_seconds: float = TOLD_SECONDS
    """How long one pgpool may believe something else than another."""

    def may_lose(self, write: Write) -> bool:
        """Whether an acknowledged row need not be there in the end."""
        return self.replication == "async" and any(
            write.done is not None and begin <= write.done <= end for begin, end in self.losable
        )


@dataclass(frozen=True)
class Evidence:
    """Everything that was recorded of one run."""

    samples: tuple[Sample, ...]
    ledger: Ledger
    rows: Mapping[str, Rows | None]
    """Each node's own rows in the end, by its name; None when it didn't say."""
    expected: Expectations

    @cached_property
    def by_node(self) -> dict[str, list[NodeSample]]:
        """Each node's samples in the order of time."""
        found: dict[str, list[NodeSample]] = {}
        nodes = [sample for sample in self.samples if isinstance(sample, NodeSample)]
        for sample in sorted(nodes, key=lambda sample: sample.latest):
            found.setdefault(sample.node, []).append(sample)
        return found

    def between(self, begin: float, end: float) -> Evidence:
        """With the samples alone that were asked for and answered in that time."""
        inside = tuple(sample for sample in self.samples if begin <= sample.earliest and sample.latest <= end)
        return replace(self, samples=inside)

    def read_between(self, begin: float, end: float) -> Evidence:
        """With those reads alone that were sent in that time."""
        reads = tuple(read for read in self.ledger.reads if begin <= read.sent <= end)
        return replace(self, ledger=self.ledger.model_copy(update={"reads": reads}))

    def last(self) -> dict[str, NodeSample]:
        """Each node's last sample."""
        return {name: seen[-1] for name, seen in self.by_node.items()}

    @property
    def vip_samples(self) -> list[VipSample]:
        """Who answered for the virtual IP."""
        return [sample for sample in self.samples if isinstance(sample, VipSample)]

    def last_answer(self) -> VipSample | None:
        """Who answered for the virtual IP in the end."""
        return max(self.vip_samples, key=lambda sample: sample.latest, default=None)


class Violation(BaseModel):
    """One invariant that did not hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    at: float | None
    """When, `time.monotonic()`; None for what was found in the end."""
    sentence: str
    evidence: tuple[str, ...]
    """What was seen, one fact a line."""


@dataclass(frozen=True)
class Finding:
    """A violation, before the table gives it its name."""

    sentence: str
    at: float | None = None
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Invariant:
    """One entry of the table."""

    name: str
    sentence: str
    find: Callable[[Evidence], list[Finding]]
    """Empty when it holds."""
    split: Literal["shows", "follows"] | None = None
    """Whether its violation shows that the cluster split, or follows from a split."""
    defect: bool = False
    """Whether its violation is something that no lab can prevent: told, and no failure."""
