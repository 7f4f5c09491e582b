"""Rows in the end, compared on each node's own PostgreSQL with what the clients were told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from pgpool_lab.harness.invariants.model import Evidence, Finding, Rows

SHOWN = 10
"""Numbers listed in a sentence; the ledger has all."""


def acknowledged_are_kept(evidence: Evidence) -> list[Finding]:
    """Every acknowledged row is on every node, but for those that a failed primary may take with it."""
    acknowledged = [write for write in evidence.ledger.acknowledged if not evidence.expected.may_lose(write)]
    found = []
    for name, rows in answered(evidence).items():
        present = set(rows)
        lost = [write for write in acknowledged if write.number not in present]
        if lost:
            words = tuple(f"row {write.number}, acknowledged at {write.done:.2f} s" for write in lost[:SHOWN])
            numbers = listed([write.number for write in lost])
            found.append(Finding(f"{name} lacks {len(lost)} acknowledged rows: {numbers}", lost[0].done, words))
    return found


def none_twice(evidence: Evidence) -> list[Finding]:
    """No row was applied twice, but for what `none_sent_again` tells of."""
    untold = {write.number for write in evidence.ledger.untold}
    return [
        Finding(f"{name} has {len(numbers)} rows more than once: {listed(numbers)}")
        for name, twice in repeated(evidence).items()
        if (numbers := twice - untold)
    ]


def none_sent_again(evidence: Evidence) -> list[Finding]:
    """No row whose writer was told nothing was applied twice.

    A process of pgpool's that is ended while it writes to a backend sends once more what it has just written, before
    its farewell: the signal's handler runs between write() and the reset of the buffer (4.3.5: protocol/child.c, die;
    pool_process_query.c, pool_send_frontend_exits; utils/pool_stream.c, pool_flush_it).
    """
    untold = {write.number for write in evidence.ledger.untold}
    return [
        Finding(f"{name} has {len(numbers)} rows twice that pgpool sent again when it was ended: {listed(numbers)}")
        for name, twice in repeated(evidence).items()
        if (numbers := twice & untold)
    ]


def repeated(evidence: Evidence) -> dict[str, set[int]]:
    """The rows that each node has more than once."""
    return {
        name: {number for number, times in Counter(rows).items() if times > 1}
        for name, rows in answered(evidence).items()
    }


def none_unsent(evidence: Evidence) -> list[Finding]:
    """No row is there that nobody sent, or that the server refused."""
    possible = evidence.ledger.possible
    refused = {write.number for write in evidence.ledger.writes} - possible
    found = []
    for name, rows in answered(evidence).items():
        strange = set(rows) - possible
        if unsent := strange - refused:
            found.append(Finding(f"{name} has {len(unsent)} rows that nobody sent: {listed(unsent)}"))
        if there := strange & refused:
            found.append(Finding(f"{name} has {len(there)} rows that were refused: {listed(there)}"))
    return found


def all_equal(evidence: Evidence) -> list[Finding]:
    """Every node that should be up says what it has, and all have the same."""
    found = [Finding(f"{name} doesn't say which rows it has") for name, rows in evidence.rows.items() if rows is None]
    said = answered(evidence)
    if not said:
        found.append(Finding("no node says which rows it has"))
    everywhere: Counter[int] = Counter()
    for rows in said.values():
        everywhere |= Counter(rows)
    for name, rows in said.items():
        lacks = everywhere - Counter(rows)
        if lacks:
            found.append(Finding(f"{name} lacks {len(lacks)} rows that another node has: {listed(lacks)}"))
    return found


def answered(evidence: Evidence) -> dict[str, Rows]:
    """The nodes that said what they have."""
    return {name: rows for name, rows in evidence.rows.items() if rows is not None}


def listed(numbers: Collection[int]) -> str:
    """The lowest numbers, in words."""
    shown = ", ".join(map(str, sorted(numbers)[:SHOWN]))
    return f"{shown}, …" if len(numbers) > SHOWN else shown
