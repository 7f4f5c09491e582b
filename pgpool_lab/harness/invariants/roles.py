"""Never two of what there must be one of: holders of the virtual IP, primaries."""

from __future__ import annotations

from itertools import groupby

from pgpool_lab.harness.invariants.model import Evidence, Finding
from pgpool_lab.harness.invariants.spans import overlaps
from pgpool_lab.harness.samples import NodeSample, VipSample

TWO_HOLDERS_SECONDS = 2.0
"""The stated tolerance of a hand-over."""


def one_holder(evidence: Evidence) -> list[Finding]:
    """No two nodes have the virtual IP for longer than a hand-over takes, nor do two machines answer for it."""
    return [*two_holders(evidence), *two_answers(evidence)]


def two_holders(evidence: Evidence) -> list[Finding]:
    """Two nodes that said that they have it."""
    return [
        Finding(
            f"{' and '.join(shared.nodes)} both held the virtual IP for at least {shared.end - shared.begin:.1f} s",
            shared.begin,
        )
        for shared in overlaps(evidence.by_node, holding)
        if shared.end - shared.begin > TWO_HOLDERS_SECONDS
    ]


def two_answers(evidence: Evidence) -> list[Finding]:
    """Two machines that answered each of the questions of a while: a node that nobody else hears of has it, too."""
    questions: dict[float, set[str]] = {}
    for sample in evidence.samples:
        if isinstance(sample, VipSample):
            questions.setdefault(sample.earliest, set()).update([sample.mac] if sample.mac else [])
    found = []
    names = {mac: name for name, mac in evidence.expected.macs.items()}
    for macs, asked in groupby(sorted(questions), key=lambda moment: frozenset(questions[moment])):
        moments = list(asked)
        if len(macs) > 1 and moments[-1] - moments[0] > TWO_HOLDERS_SECONDS:
            who = " and ".join(sorted(names.get(mac, mac) for mac in macs))
            seconds = moments[-1] - moments[0]
            found.append(Finding(f"{who} both answered for the virtual IP for at least {seconds:.1f} s", moments[0]))
    return found


def one_primary(evidence: Evidence) -> list[Finding]:
    """No two nodes that clients can reach take writes at the same moment."""
    return [
        Finding(
            f"{' and '.join(shared.nodes)} both accepted writes for at least {shared.end - shared.begin:.1f} s",
            shared.begin,
            tuple(seen(evidence.by_node[name], shared.begin) for name in shared.nodes),
        )
        for shared in overlaps(evidence.by_node, primary_of)
    ]


def holding(sample: NodeSample) -> bool | None:
    return True if sample.holds_vip else None


def primary_of(sample: NodeSample) -> int | None:
    """The timeline that a primary writes. One that came back as a standby and was promoted again has another."""
    return sample.postgres.timeline if sample.postgres is not None and sample.postgres.is_primary else None


def seen(samples: list[NodeSample], moment: float) -> str:
    """A node's sample nearest to a moment, in words."""
    sample = min(samples, key=lambda sample: abs(sample.latest - moment))
    postgres = sample.postgres
    position = f"timeline {postgres.timeline}, {postgres.lsn}" if postgres else "no answer"
    return f"{sample.node}: {position}, asked at {sample.earliest:.2f} s, answered at {sample.latest:.2f} s"
