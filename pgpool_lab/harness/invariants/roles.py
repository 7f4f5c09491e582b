"""Never two of what there must be one of: holders of the virtual IP, primaries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

from pgpool_lab.harness.invariants.model import Evidence, Finding
from pgpool_lab.harness.invariants.spans import Overlap, overlaps
from pgpool_lab.harness.samples import NodeSample

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
    """Two machines that both went on answering for a while: a node that nobody else hears of has it, too.

    They need not answer the same questions: a busy node's answer comes too late now and then.
    """
    heard: dict[str, list[float]] = {}
    for sample in sorted(evidence.vip_samples, key=lambda sample: sample.latest):
        if sample.mac is not None:
            heard.setdefault(sample.mac, []).append(sample.latest)
    names = {mac: name for name, mac in evidence.expected.macs.items()}
    found = []
    for first, second in combinations(heard, 2):
        who = " and ".join(sorted(names.get(mac, mac) for mac in (first, second)))
        for one in unbroken(heard[first]):
            for other in unbroken(heard[second]):
                begin, end = max(one[0], other[0]), min(one[-1], other[-1])
                if end - begin > TWO_HOLDERS_SECONDS:
                    sentence = f"{who} both answered for the virtual IP for at least {end - begin:.1f} s"
                    found.append(Finding(sentence, begin))
    return found


def only_nodes_answer(evidence: Evidence) -> list[Finding]:
    """Nobody but a node answers for the virtual IP: not the witness, which serves nobody, and no stranger."""
    nodes = set(evidence.expected.macs.values())
    first: dict[str, float] = {}
    for sample in sorted(evidence.vip_samples, key=lambda sample: sample.latest):
        if sample.mac is not None and sample.mac not in nodes:
            first.setdefault(sample.mac, sample.latest)
    return [Finding(f"{mac}, which is no node, answered for the virtual IP", at) for mac, at in first.items()]


def unbroken(moments: Iterable[float]) -> list[list[float]]:
    """Moments in the order of time, parted where more than a hand-over's time lies between two."""
    found: list[list[float]] = []
    for moment in moments:
        if found and moment - found[-1][-1] <= TWO_HOLDERS_SECONDS:
            found[-1].append(moment)
        else:
            found.append([moment])
    return found


def one_primary(evidence: Evidence) -> list[Finding]:
    """No two nodes that clients can reach take writes at the same moment."""
    return [both_primary(evidence, shared) for shared in two_primaries(evidence) if not unaware(evidence, shared)]


def no_unaware_primary(evidence: Evidence) -> list[Finding]:
    """No machine that stood still takes writes beside the primary that was promoted meanwhile, however shortly."""
    return [both_primary(evidence, shared) for shared in two_primaries(evidence) if unaware(evidence, shared)]


def two_primaries(evidence: Evidence) -> Iterator[Overlap]:
    return overlaps(evidence.by_node, primary_of, unanswered)


def unaware(evidence: Evidence, shared: Overlap) -> bool:
    """Whether one of two primaries had just gone on, and was ended as soon as it could know."""
    return any(
        resumed.node in shared.nodes and resumed.earliest <= shared.begin and shared.end <= resumed.told
        for resumed in evidence.expected.resumed
    )


def both_primary(evidence: Evidence, shared: Overlap) -> Finding:
    return Finding(
        f"{' and '.join(shared.nodes)} both accepted writes for at least {shared.end - shared.begin:.1f} s",
        shared.begin,
        tuple(seen(evidence.by_node[name], shared.begin) for name in shared.nodes),
    )


def holding(sample: NodeSample) -> bool | None:
    return True if sample.holds_vip else None


def primary_of(sample: NodeSample) -> int | None:
    """The timeline that a primary writes. One that came back as a standby and was promoted again has another."""
    return sample.postgres.timeline if sample.postgres is not None and sample.postgres.is_primary else None


def unanswered(sample: NodeSample) -> bool:
    """Whether a server runs that did not answer in time, as on a busy node: it is what it was, unless it says so."""
    return sample.postgres is not None and sample.postgres.running and sample.postgres.in_recovery is None


def seen(samples: list[NodeSample], moment: float) -> str:
    """A node's sample nearest to a moment, in words."""
    sample = min(samples, key=lambda sample: abs(sample.latest - moment))
    postgres = sample.postgres
    position = f"timeline {postgres.timeline}, {postgres.lsn}" if postgres else "no answer"
    return f"{sample.node}: {position}, asked at {sample.earliest:.2f} s, answered at {sample.latest:.2f} s"
