"""Every invariant there is."""

from __future__ import annotations

import math
from collections.abc import Iterable

from pgpool_lab.harness.invariants import beliefs, reads, roles, rows
from pgpool_lab.harness.invariants.model import Evidence, Invariant, Violation

INVARIANTS: tuple[Invariant, ...] = (
    Invariant("one holder", "never do two nodes hold the virtual IP for more than 2 s", roles.one_holder, "shows"),
    Invariant("only nodes answer", "never does anybody but a node answer for the virtual IP", roles.only_nodes_answer),
    Invariant("one primary", "never do two nodes accept writes at the same time", roles.one_primary, "shows"),
    Invariant(
        "no unaware primary",
        "no machine that stood still accepts writes beside the new primary until it is told",
        roles.no_unaware_primary,
        defect=True,
    ),
    Invariant(
        "no stale view",
        "no two pgpools believe different things for longer than telling each other takes",
        beliefs.none_stale,
    ),
    Invariant("pgpools agree", "in the end all pgpools believe the same, and it is true", beliefs.pgpools_agree),
    Invariant("holder answers", "in the end the virtual IP's MAC address is its holder's", beliefs.holder_answers),
    Invariant(
        "acknowledged rows",
        "every acknowledged row is on every node, but for those that a failed primary may take with it",
        rows.acknowledged_are_kept,
    ),
    Invariant("no row twice", "no row is there more than once", rows.none_twice),
    Invariant(
        "no row sent again",
        "no row whose writer was told nothing is there more than once",
        rows.none_sent_again,
        defect=True,
    ),
    Invariant("no unsent row", "no row is there that nobody sent or that was refused", rows.none_unsent),
    Invariant("equal rows", "in the end all nodes have the same rows", rows.all_equal),
    Invariant("fresh reads", "no read is further behind than replication may be", reads.reads_are_fresh, "follows"),
)


SHOWING = [invariant for invariant in INVARIANTS if invariant.split == "shows"]
"""Those whose violation is a split."""
FOLLOWING = [invariant for invariant in INVARIANTS if invariant.split == "follows"]
"""Those whose violation a split leads to."""


def violations(evidence: Evidence) -> list[Violation]:
    """Everything that did not hold in one run and had to, in the table's order."""
    split = splits(evidence)
    binding = [invariant for invariant in INVARIANTS if not invariant.defect]
    return [*(violation for violation in found(evidence, binding) if violation not in split), *untimely(evidence)]


def tolerated(evidence: Evidence) -> list[Violation]:
    """What did not hold and is no failure here: a split where one may be, and what no lab can prevent."""
    return [*splits(evidence), *found(evidence, [invariant for invariant in INVARIANTS if invariant.defect])]


def splits(evidence: Evidence) -> list[Violation]:
    """A split where one may be, with what follows from it; empty where it may not be or was not seen."""
    if evidence.expected.split is None:
        return []
    shown = found(evidence, SHOWING)
    return [*shown, *found(evidence, FOLLOWING)] if shown else []


def untimely(evidence: Evidence) -> list[Violation]:
    """A split before the nodes were cut from each other, or one that goes on long after they are not any more; and what
    follows from one where there can be none."""
    if evidence.expected.split is None:
        return []
    begin, end = evidence.expected.split
    shown = [*found(evidence.between(-math.inf, begin), SHOWING), *found(evidence.between(end, math.inf), SHOWING)]
    if not splits(evidence):
        # Then all that would follow is a violation anyway.
        return shown
    settled = end + evidence.expected.delay_seconds
    apart = [evidence.read_between(-math.inf, begin), evidence.read_between(settled, math.inf)]
    return [*shown, *(violation for reads in apart for violation in found(reads, FOLLOWING))]


def found(evidence: Evidence, invariants: Iterable[Invariant]) -> list[Violation]:
    """What some invariants find."""
    return [
        Violation(name=invariant.name, at=finding.at, sentence=finding.sentence, evidence=finding.evidence)
        for invariant in invariants
        for finding in invariant.find(evidence)
    ]
