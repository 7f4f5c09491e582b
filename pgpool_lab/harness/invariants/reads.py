"""Reads through the virtual IP show what was acknowledged a while ago."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict

from pgpool_lab.harness.invariants.model import Evidence, Finding
from pgpool_lab.harness.invariants.rows import answered
from pgpool_lab.harness.ledger import Read

SHOWN = 5
"""Reads described for each backend."""


def reads_are_fresh(evidence: Evidence) -> list[Finding]:
    """Each read shows at least as many rows as were acknowledged `delay_seconds` before it was sent.

    Rows that were lost in a failover don't count: they are reported as lost, and no read can show them.
    """
    delay = evidence.expected.delay_seconds
    kept = {number for rows in answered(evidence).values() for number in rows}
    moments = sorted(
        write.done for write in evidence.ledger.acknowledged if write.done is not None and write.number in kept
    )
    stale: dict[str, list[tuple[Read, int]]] = defaultdict(list)
    for read in evidence.ledger.reads:
        expected = bisect_right(moments, read.sent - delay)
        if read.count is not None and read.count < expected:
            stale[read.backend or "an unknown backend"].append((read, expected))
    return [
        Finding(
            f"{len(reads)} reads from {backend} were more than {delay:g} s behind",
            reads[0][0].sent,
            tuple(
                f"{read.client} saw {read.count} rows at {read.sent:.2f} s, where {expected} had been there {delay:g} s"
                for read, expected in reads[:SHOWN]
            ),
        )
        for backend, reads in stale.items()
    ]
