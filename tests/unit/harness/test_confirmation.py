"""What clients may be told while no standby is left to confirm a commit."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from pgpool_lab.cluster.outputs import LabOutputs
from pgpool_lab.harness.confirmation import WAITED
from pgpool_lab.harness.ledger import Ledger
from pgpool_lab.harness.samples import PostgresSample, Sample
from pgpool_lab.harness.scenarios.run import Event
from tests.unit.harness import runs
from tests.unit.harness.synthetic import FAULT, REPAIR, ledger
from tests.unit.harness.test_assessment import HEAL, RESTORE, event, judged, outputs, run

LOST, OPEN, PGPOOL = event(), event("disk-full"), event("pgpool-kill")
SECOND = event("postgresql-kill", "node4", step=1, at=1055, holder="node4", primary="node4")
HUNG, MENDED = event("postgresql-hang"), event("heal", kind="heal", step=1, at=FAULT + 10)
AFTER_IT = event("pgpool-kill", "node4", step=2, at=FAULT + 15, holder="node4", primary="node4")
TWO, THREE = outputs("sync", nodes=2), outputs("sync")

SILENT = PostgresSample(
    running=True, in_recovery=None, accepts_writes=None, timeline=None, lsn=None, streaming_from=None
)
"""A server that runs and does not answer."""
GONE = 1.5
"""Seconds from a fault until its node is seen to be gone, which goes on for one of them."""


def watched(events: Iterable[Event]) -> tuple[Sample, ...]:
    """Samples of two nodes, ten a second. One that is struck answers for another second, then it is away till all is
    mended: a server that hangs runs and is silent."""
    struck = {event.nodes[0]: event for event in events if event.kind == "fault"}
    found: list[Sample] = []
    for tenth in range(10000, 11000):
        at = tenth / 10
        for name in ("node0", "node4"):
            fault = struck.get(name)
            if fault is None or not fault.earliest + 1 < at < REPAIR + 5:
                found.append(runs.node(name, at, took=0.01))
            elif fault.name == "postgresql-hang":
                found.append(runs.node(name, at, took=0.01, role="stopped").model_copy(update={"postgres": SILENT}))
            elif at > fault.earliest + GONE:
                found.append(runs.gone(name, at, took=0.01))
    return tuple(found)


def told(lab: LabOutputs, *events: Event, during: tuple[tuple[float, float], ...]) -> tuple[list[str], list[str]]:
    """What is reported and what is wrong, of a run in which the only writes are those within some times."""
    writes = [write for write in ledger().writes if write.sent < FAULT or write.sent > REPAIR + 20]
    numbers = iter(range(5000, 9000))
    writes += [
        runs.write(next(numbers), begin + tenth / 10, client=f"writer{tenth % 2}")
        for begin, end in during
        for tenth in range(int((end - begin) * 10))
    ]
    made = run(*events, HEAL, RESTORE, samples=watched(events), ledger=Ledger(writes=tuple(writes), reads=()))
    result = judged(made, lab, {})
    expected = [one.sentence for one in result.expected if one.name == WAITED]
    return expected, [sentence for sentence in result.unmet if sentence.startswith(WAITED)]


WRITTEN = ((FAULT + 2, REPAIR - 1),)

CASES: dict[str, tuple[LabOutputs, tuple[Event, ...], tuple[tuple[float, float], ...], tuple[int, int]]] = {
    "nobody is told anything": (TWO, (LOST,), (), (1, 0)),
    "somebody is": (TWO, (LOST,), WRITTEN, (0, 1)),
    "only while the other was about to go": (TWO, (LOST,), ((FAULT - 1, FAULT + GONE),), (1, 0)),
    "the other may have confirmed them": (TWO, (OPEN,), WRITTEN, (0, 0)),
    "the other may be gone": (TWO, (OPEN,), (), (0, 0)),
    "the other hangs": (TWO, (HUNG,), (), (1, 0)),
    "the other hangs and somebody is": (TWO, (HUNG,), WRITTEN, (0, 1)),
    "the other was mended": (TWO, (HUNG, MENDED, AFTER_IT), ((FAULT + 16, REPAIR - 1),), (1, 0)),
    "no PostgreSQL was lost": (TWO, (PGPOOL,), (), (0, 0)),
    "a standby is left": (THREE, (LOST,), WRITTEN, (0, 0)),
    "a standby is left at first": (THREE, (LOST, SECOND), ((FAULT + 1, 1055),), (1, 0)),
    "none is left in the end": (THREE, (LOST, SECOND), WRITTEN, (0, 1)),
    "no commit asks for one": (outputs(nodes=2), (LOST,), WRITTEN, (0, 0)),
}


@pytest.mark.parametrize(("lab", "events", "during", "expected"), CASES.values(), ids=CASES.keys())
def test_commits_that_nobody_can_confirm_wait_and_that_is_reported(
    lab: LabOutputs, events: tuple[Event, ...], during: tuple[tuple[float, float], ...], expected: tuple[int, int]
) -> None:
    reported, wrong = told(lab, *events, during=during)
    assert (len(reported), len(wrong)) == expected


def test_rows_that_nobody_can_have_confirmed_are_named() -> None:
    _, (sentence,) = told(TWO, LOST, during=WRITTEN)
    assert sentence.endswith("rows were acknowledged: 5000, 5001, 5002, 5003, 5004, 5005, 5006, 5007, 5008, 5009, …")
