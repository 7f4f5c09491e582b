"""Every invariant: runs that violate it, and runs that only look as if they did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from pgpool_lab.harness.invariants import beliefs, reads, roles, rows
from pgpool_lab.harness.invariants.model import Finding, Resumption, Rows
from pgpool_lab.harness.invariants.spans import GAP_SECONDS
from pgpool_lab.harness.invariants.table import INVARIANTS, splits, tolerated, violations
from pgpool_lab.harness.ledger import Read, Write
from pgpool_lab.harness.samples import Sample
from tests.unit.harness.runs import MACS, Role, evidence, gone, healthy_end, node, read, vip, write
from tests.unit.harness.runs import beliefs as believed


def sentences(found: list[Finding]) -> str:
    return "; ".join(finding.sentence for finding in found)


def test_a_run_in_which_nothing_was_lost_violates_nothing() -> None:
    entries = [write(number, number / 10) for number in range(1, 100)] + [read(9, 80)]
    assert violations(evidence(samples=healthy_end(), entries=entries, replication="sync")) == []


def test_a_run_without_evidence_does_not_pass() -> None:
    names = {violation.name for violation in violations(evidence(rows={}))}
    assert names == {"pgpools agree", "holder answers", "equal rows"}


def test_a_violation_carries_the_name_of_its_invariant() -> None:
    samples = healthy_end() + [node("node4", at, holds=True) for at in (101, 104)] + [node("node0", 106, holds=True)]
    found = violations(evidence(samples=samples))
    assert found[0].name == "one holder"
    assert {invariant.name for invariant in INVARIANTS} >= {violation.name for violation in found}
    assert len({invariant.name for invariant in INVARIANTS}) == len(INVARIANTS)


# --- one holder


def holders(*moments: tuple[str, float, bool]) -> list[Sample]:
    return [node(name, at, holds=holds) for name, at, holds in moments]


TWO_HOLDERS: dict[str, list[Sample]] = {
    "three seconds": holders(("node0", 1, True), ("node4", 1.1, True), ("node0", 4.5, True), ("node4", 4.6, True)),
    "a node that never gives it up": holders(
        *(("node0", float(at), True) for at in range(10)), *(("node4", at + 0.5, True) for at in range(5, 9))
    ),
}
ONE_HOLDER: dict[str, list[Sample]] = {
    "a hand-over": holders(("node0", 1, True), ("node0", 2, False), ("node4", 1.5, True), ("node4", 5, True)),
    "two for one second": holders(("node0", 1, True), ("node4", 1.2, True), ("node0", 2.4, True), ("node4", 2.5, True)),
    "the old one seen before, the new one after": holders(("node0", 1, True), ("node4", 4, True), ("node4", 9, True)),
    "back and forth": holders(
        ("node0", 1, True), ("node0", 2, False), ("node4", 3, True), ("node4", 4, False), ("node0", 5, True)
    ),
    "a holder that can't be asked meanwhile": [
        node("node0", 1, holds=True),
        gone("node0", 5),
        *holders(("node4", 2, True), ("node4", 8, True)),
        node("node0", 9, holds=True),
    ],
    "too long without a sample": holders(
        ("node0", 1, True), ("node0", 2 + GAP_SECONDS, True), ("node4", 3, True), ("node4", 9, True)
    ),
}


@pytest.mark.parametrize("samples", TWO_HOLDERS.values(), ids=TWO_HOLDERS.keys())
def test_two_holders_for_longer_than_a_hand_over_are_found(samples: list[Sample]) -> None:
    found = roles.one_holder(evidence(samples=samples))
    assert "node0 and node4 both held the virtual IP" in sentences(found)


@pytest.mark.parametrize("samples", ONE_HOLDER.values(), ids=ONE_HOLDER.keys())
def test_a_hand_over_is_no_second_holder(samples: list[Sample]) -> None:
    assert roles.one_holder(evidence(samples=samples)) == []


def test_two_holders_are_dated_and_measured_by_what_is_certain() -> None:
    (found,) = roles.one_holder(evidence(samples=TWO_HOLDERS["three seconds"]))
    assert found.at == 1.1
    assert "at least 3.2 s" in found.sentence


# --- one primary


def primaries(*moments: tuple[str, float, float, int]) -> list[Sample]:
    """Node, when it answered, how long that took, timeline."""
    return [node(name, at, took=took, role="primary", timeline=timeline) for name, at, took, timeline in moments]


BUSY: tuple[tuple[float, Role], ...] = ((1, "primary"), (2, "silent"), (3, "primary"))

TWO_PRIMARIES: dict[str, list[Sample]] = {
    "the old one goes on": primaries(("node0", 1, 0.1, 1), ("node4", 2, 0.1, 2), ("node0", 3, 0.1, 1)),
    "the old one comes back": [
        *primaries(("node4", 2, 0.1, 2), ("node0", 3, 0.1, 1), ("node4", 4, 0.1, 2)),
        node("node0", 1, role="stopped"),
    ],
    "they miss every other answer": [
        node(name, at + late, role=role) for name, late in (("node0", 0.0), ("node4", 0.4)) for at, role in BUSY
    ],
    "spans that share time though no sample lies within": primaries(
        ("node0", 1, 0.1, 1), ("node4", 2, 1.9, 2), ("node0", 9, 6, 1), ("node4", 11, 6, 2)
    ),
}
ONE_PRIMARY: dict[str, list[Sample]] = {
    "a failover": primaries(("node0", 1, 0.1, 1), ("node0", 2, 0.1, 1), ("node4", 3, 0.1, 2), ("node4", 4, 0.1, 2)),
    "answers that took long and cross": primaries(("node0", 3, 3, 1), ("node4", 4, 2, 2), ("node4", 5, 0.1, 2)),
    "the second asked before the first was done": primaries(
        ("node0", 1, 0.1, 1), ("node0", 3, 1, 1), ("node4", 3.5, 2, 2)
    ),
    "a switchover and back": primaries(
        ("node0", 1, 0.1, 1), ("node0", 2, 0.1, 1), ("node4", 3, 0.1, 2), ("node0", 5, 0.1, 3), ("node0", 6, 0.1, 3)
    ),
    "an old one that refuses writes": [
        *primaries(("node4", 1, 0.1, 2), ("node4", 5, 0.1, 2)),
        *(node("node0", at, role="primary", accepts=False) for at in (2.0, 3.0)),
    ],
    "an old one that can't be reached": [
        *primaries(("node0", 1, 0.1, 1)),
        gone("node0", 4),
        *primaries(("node4", 3, 0.1, 2), ("node0", 6, 0.1, 1)),
    ],
    "one of unknown timeline": [
        node("node0", 1, role="primary", timeline=None),
        *primaries(("node4", 2, 0.1, 2)),
        node("node0", 3, role="primary", timeline=None),
    ],
}


@pytest.mark.parametrize("samples", TWO_PRIMARIES.values(), ids=TWO_PRIMARIES.keys())
def test_two_primaries_are_found(samples: list[Sample]) -> None:
    found = roles.one_primary(evidence(samples=samples))
    assert "node0 and node4 both accepted writes" in sentences(found)
    assert len(found[0].evidence) == 2


@pytest.mark.parametrize("samples", ONE_PRIMARY.values(), ids=ONE_PRIMARY.keys())
def test_samples_of_different_moments_make_no_second_primary(samples: list[Sample]) -> None:
    assert roles.one_primary(evidence(samples=samples)) == []


RESUMED: dict[str, tuple[tuple[Resumption, ...], bool]] = {
    "nobody stood still": ((), False),
    "the old one did": ((Resumption("node0", 2.2, 4.3),), True),
    "another one did": ((Resumption("node5", 2.2, 4.3),), False),
    "later": ((Resumption("node0", 3.2, 5.3),), False),
    "long before": ((Resumption("node0", 0.5, 2.6),), False),
}


@pytest.mark.parametrize(("resumed", "unaware"), RESUMED.values(), ids=RESUMED.keys())
def test_only_a_machine_that_has_just_gone_on_is_excused_and_told_of(
    resumed: tuple[Resumption, ...], unaware: bool
) -> None:
    run = evidence(samples=[*TWO_PRIMARIES["the old one comes back"], *healthy_end()])
    run = replace(run, expected=replace(run.expected, resumed=resumed))
    violated = {violation.name for violation in violations(run)}
    told = {violation.name for violation in tolerated(run)}
    assert ("one primary" in violated, "no unaware primary" in told) == (not unaware, unaware)


@pytest.mark.parametrize("samples", [TWO_HOLDERS["three seconds"], TWO_PRIMARIES["the old one goes on"]])
def test_a_split_is_expected_where_it_may_be_and_a_violation_elsewhere(samples: list[Sample]) -> None:
    run = evidence(samples=[*samples, *healthy_end()])
    names = {violation.name for violation in violations(run)}
    assert names & {"one holder", "one primary"}
    assert splits(run) == []
    cut = replace(run, expected=replace(run.expected, split=(0, 100)))
    assert {violation.name for violation in splits(cut)} == names
    assert violations(cut) == []


@pytest.mark.parametrize(
    ("split", "timely"),
    [((0, 100), True), ((0, 8), True), ((0, 4), False), ((9, 100), False)],
    ids=["meanwhile", "hardly longer", "long after the nodes are together again", "before they were cut"],
)
def test_a_split_is_expected_only_while_nodes_are_cut_from_each_other(split: tuple[float, float], timely: bool) -> None:
    run = evidence(samples=[*TWO_HOLDERS["a node that never gives it up"], *healthy_end()])
    cut = replace(run, expected=replace(run.expected, split=split))
    assert {violation.name for violation in violations(cut)} == (set() if timely else {"one holder"})


def test_stale_reads_follow_from_a_split_and_from_nothing_else() -> None:
    entries: list[Write | Read] = [write(1, 10), write(2, 11), read(40, 0)]
    split = evidence(samples=[*TWO_PRIMARIES["the old one goes on"], *healthy_end()], entries=entries)
    whole = evidence(samples=healthy_end(), entries=entries)
    for run, names in ((split, []), (whole, ["fresh reads"])):
        cut = replace(run, expected=replace(run.expected, split=(0, 100)))
        assert [violation.name for violation in violations(cut)] == names


@pytest.mark.parametrize(
    ("sent", "names"),
    [(40, []), (115, []), (125, ["fresh reads"]), (-5, ["fresh reads"])],
    ids=["meanwhile", "as late as a read may be behind", "long after", "before"],
)
def test_stale_reads_follow_from_a_split_only_while_there_is_one(sent: float, names: list[str]) -> None:
    entries: list[Write | Read] = [write(1, -30), write(2, -29), write(3, 100), read(sent, 0)]
    split = evidence(samples=[*TWO_PRIMARIES["the old one goes on"], *healthy_end()], entries=entries)
    cut = replace(split, expected=replace(split.expected, split=(0, 108)))
    assert [violation.name for violation in violations(cut)] == names
    assert "fresh reads" in {violation.name for violation in splits(cut)}


# --- no stale view


def views(*moments: tuple[str, float, Any]) -> list[Sample]:
    """Node, when it answered, what its pgpool believed."""
    return [node(name, at, believes=believes) for name, at, believes in moments]


def steadily(name: str, begin: int, end: int, believes: Any) -> list[Sample]:
    return views(*((name, float(at), believes) for at in range(begin, end)))


DETACHED = believed(down=["node4"])
STALE = [
    *steadily("node0", 0, 10, believed()),
    *steadily("node0", 10, 50, DETACHED),
    *steadily("node4", 0, 50, believed()),
]
TOLD: dict[str, list[Sample]] = {
    "all the same": [*steadily("node0", 0, 50, believed()), *steadily("node4", 0, 50, believed())],
    "told a little later": [*STALE[:50], *steadily("node4", 0, 25, believed()), *steadily("node4", 25, 50, DETACHED)],
    "one that doesn't say": [*STALE[:50], *steadily("node4", 0, 12, believed()), *steadily("node4", 12, 50, ())],
    "one that can't be asked": [*STALE[:50], *steadily("node4", 0, 12, believed()), gone("node4", 40)],
    "one that has had no client yet": [
        *steadily("node0", 0, 50, believed()),
        *steadily("node4", 0, 50, tuple(one.model_copy(update={"status": "waiting"}) for one in believed())),
    ],
}


def test_a_pgpool_that_is_not_told_is_found_with_what_both_believed() -> None:
    (found,) = beliefs.none_stale(evidence(samples=STALE))
    assert found.sentence == "the pgpools on node0 and node4 believed different things for at least 38.8 s"
    assert found.at == 10
    assert found.evidence == (
        "pgpool on node0: node0 primary, node4 down",
        "pgpool on node4: node0 primary, node4 standby",
    )


@pytest.mark.parametrize("samples", TOLD.values(), ids=TOLD.keys())
def test_a_pgpool_that_is_told_in_time_or_says_nothing_is_not_stale(samples: list[Sample]) -> None:
    assert beliefs.none_stale(evidence(samples=samples)) == []


def test_a_view_may_be_stale_from_when_a_pgpool_may_be_cut_off() -> None:
    run = evidence(samples=STALE)
    for until, count in ((25.0, 0), (45.0, 1)):
        assert len(beliefs.none_stale(replace(run, expected=replace(run.expected, told_until=until)))) == count


# --- pgpools agree


def end(**changes: Any) -> list[Sample]:
    """The healthy end with node4's sample changed."""
    first, _, answer = healthy_end()
    return [first, node("node4", 100, **({"believes": believed()} | changes)), answer]


DISAGREEMENTS: dict[str, tuple[list[Sample], str]] = {
    "one holds a backend for down": (end(believes=believed(down=["node0"])), "believe different things"),
    "one believes in another primary": (end(believes=believed(primary="node4")), "believes that node4 is primary"),
    "one doesn't say": (end(believes=()), "pgpool on node4 doesn't say"),
    "two leaders": (end(watchdog="LEADER"), "not one leader"),
    "one still joins": (end(watchdog="JOINING"), "not one leader"),
    "a node can't be reached": ([*healthy_end(), gone("node4", 105)], "node4 can't be reached"),
    "none runs": ([node(name, 100, role="primary", watchdog=None) for name in MACS], "pgpool on node4 doesn't run"),
    "one does not run": (end(watchdog=None, believes=()), "pgpool on node4 doesn't run"),
    "they agree not to use a standby that streams": (
        [
            node("node0", 100, holds=True, role="primary", watchdog="LEADER", believes=believed(down=["node4"])),
            node("node4", 100, believes=believed(down=["node4"])),
        ],
        "pgpool on node0 doesn't use node4, which serves",
    ),
    "they agree on what is not so": (
        [
            node("node0", 100, role="stopped", watchdog="LEADER", believes=believed()),
            node("node4", 100, role="primary", believes=believed()),
        ],
        "PostgreSQL says node4",
    ),
}
AGREEMENTS: dict[str, list[Sample]] = {
    "all the same": healthy_end(),
    "a disagreement that is over": [node("node4", 50, believes=believed(primary="node4")), *healthy_end()],
    "one has had no client yet": end(
        believes=tuple(backend.model_copy(update={"status": "waiting"}) for backend in believed())
    ),
}


@pytest.mark.parametrize(("samples", "expected"), DISAGREEMENTS.values(), ids=DISAGREEMENTS.keys())
def test_pgpools_that_disagree_in_the_end_are_found(samples: list[Sample], expected: str) -> None:
    assert expected in sentences(beliefs.pgpools_agree(evidence(samples=samples)))


@pytest.mark.parametrize("samples", AGREEMENTS.values(), ids=AGREEMENTS.keys())
def test_pgpools_that_agree_in_the_end_are_fine(samples: list[Sample]) -> None:
    assert beliefs.pgpools_agree(evidence(samples=samples)) == []


def test_a_node_that_does_not_answer_in_the_end_is_found() -> None:
    samples = [
        gone("node0", 100),
        node("node4", 100, role="primary", watchdog="LEADER", believes=believed("node4", ["node0"])),
    ]
    assert "node0 can't be reached" in sentences(beliefs.pgpools_agree(evidence(samples=samples)))


# --- one holder, seen from outside


def both_answer(*moments: float) -> list[Sample]:
    return [vip(moment, mac) for moment in moments for mac in MACS.values()]


def test_two_machines_that_answer_for_the_virtual_ip_for_long_are_found_though_no_node_says_so() -> None:
    found = roles.one_holder(evidence(samples=[vip(9), *both_answer(10, 11, 12.5), vip(13)]))
    assert [(one.sentence, one.at) for one in found] == [
        ("node0 and node4 both answered for the virtual IP for at least 2.5 s", 10)
    ]


def test_two_machines_that_answer_for_a_moment_hand_it_over() -> None:
    apart = [*both_answer(10, 11), vip(11.5), vip(13.5), *both_answer(14, 15)]
    assert roles.one_holder(evidence(samples=[vip(9), *apart, vip(16, MACS["node4"])])) == []


def test_two_machines_that_answer_by_turns_both_have_the_virtual_ip() -> None:
    turns = [vip(10 + at / 2, MACS[("node0", "node4")[at % 2]]) for at in range(9)]
    assert "node0 and node4" in sentences(roles.one_holder(evidence(samples=turns)))


def test_anybody_but_a_node_that_answers_for_the_virtual_ip_is_found_however_shortly() -> None:
    witness = "52:54:00:31:01:00"
    samples = [vip(9), vip(10, None), vip(11, witness), vip(12, witness), vip(13, MACS["node4"])]
    found = roles.only_nodes_answer(evidence(samples=samples))
    assert [(one.sentence, one.at) for one in found] == [
        (f"{witness}, which is no node, answered for the virtual IP", 11)
    ]
    assert roles.only_nodes_answer(evidence(samples=[vip(9), vip(10, None), vip(11, MACS["node4"])])) == []


# --- holder answers

WRONG_ANSWERS: dict[str, tuple[list[Sample], str]] = {
    "the other node": (
        [*healthy_end(), vip(101, MACS["node4"])],
        "node4 answers for the virtual IP, which node0 holds",
    ),
    "a stranger": ([*healthy_end(), vip(101, "52:54:00:00:00:01")], "52:54:00:00:00:01 answers"),
    "nobody": ([*healthy_end(), vip(101, None)], "nobody answers"),
    "no holder": (end()[1:], "nobody holds"),
    "two holders": (end(holds=True), "node0 and node4 holds"),
}


@pytest.mark.parametrize(("samples", "expected"), WRONG_ANSWERS.values(), ids=WRONG_ANSWERS.keys())
def test_an_answer_that_is_not_the_holder_s_is_found(samples: list[Sample], expected: str) -> None:
    assert expected in sentences(beliefs.holder_answers(evidence(samples=samples)))


def test_a_stale_neighbour_that_is_over_is_fine() -> None:
    assert beliefs.holder_answers(evidence(samples=[vip(50, MACS["node4"]), *healthy_end()])) == []


# --- rows

WRITES = [write(1, 1), write(2, 2), write(3, 3, "unknown"), write(4, 4, "failed"), write(5, 5)]
FINE: dict[str, Mapping[str, Rows | None]] = {
    "all rows": {"node0": (1, 2, 3, 5), "node4": (1, 2, 3, 5)},
    "the unknown one didn't make it": {"node0": (1, 2, 5), "node4": (1, 2, 5)},
}


@pytest.mark.parametrize("found", FINE.values(), ids=FINE.keys())
def test_rows_that_are_as_the_clients_were_told_are_fine(found: Mapping[str, Rows | None]) -> None:
    run = evidence(samples=healthy_end(), entries=WRITES, rows=found, replication="sync")
    assert violations(run) == []


def test_a_lost_row_is_a_violation_where_none_may_be_lost() -> None:
    lost: Mapping[str, Rows | None] = {"node0": (1, 5), "node4": (1, 5)}
    expectations: tuple[dict[str, Any], ...] = ({"replication": "sync"}, {"losable": ()}, {"losable": ((0, 2), (3, 9))})
    for expected in expectations:
        found = rows.acknowledged_are_kept(evidence(entries=WRITES, rows=lost, **expected))
        assert [finding.sentence for finding in found] == [
            "node0 lacks 1 acknowledged rows: 2",
            "node4 lacks 1 acknowledged rows: 2",
        ]
        assert found[0].at == pytest.approx(2.05)
    for losable in (((2, 3),), ((0, 1), (2.05, 2.05))):
        assert rows.acknowledged_are_kept(evidence(entries=WRITES, rows=lost, losable=losable)) == []


def test_a_row_lost_on_one_node_only_is_found_there() -> None:
    found = rows.acknowledged_are_kept(
        evidence(entries=WRITES, rows={"node0": (1, 2, 5), "node4": (1, 2)}, replication="sync")
    )
    assert sentences(found) == "node4 lacks 1 acknowledged rows: 5"


def test_a_row_that_is_there_twice_is_found() -> None:
    found = rows.none_twice(evidence(entries=WRITES, rows={"node0": (1, 2, 2, 5), "node4": (1, 2, 5)}))
    assert sentences(found) == "node0 has 1 rows more than once: 2"


def test_a_row_that_pgpool_sent_again_when_it_was_ended_is_told_and_no_failure() -> None:
    run = evidence(samples=healthy_end(), entries=WRITES, rows=dict.fromkeys(("node0", "node4"), (1, 2, 3, 3, 5)))
    assert violations(run) == []
    assert [violation.name for violation in tolerated(run)] == ["no row sent again"] * 2
    assert tolerated(run)[0].sentence == "node0 has 1 rows twice that pgpool sent again when it was ended: 3"


def test_a_row_that_nobody_sent_is_found() -> None:
    found = rows.none_unsent(evidence(entries=WRITES, rows={"node0": (1, 2, 5), "node4": (1, 2, 5, 77)}))
    assert sentences(found) == "node4 has 1 rows that nobody sent: 77"


def test_a_row_that_was_refused_and_is_there_is_found() -> None:
    found = rows.none_unsent(evidence(entries=WRITES, rows={"node0": (1, 2, 4, 5)}))
    assert sentences(found) == "node0 has 1 rows that were refused: 4"


DIFFERENT: dict[str, tuple[Mapping[str, Rows | None], str]] = {
    "one lags": ({"node0": (1, 2, 5), "node4": (1, 2)}, "node4 lacks 1 rows that another node has: 5"),
    "each has what the other lacks": ({"node0": (1, 2), "node4": (1, 5)}, "node0 lacks 1 rows"),
    "one has a row twice": ({"node0": (1, 2, 2), "node4": (1, 2)}, "node4 lacks 1 rows"),
    "one doesn't say": ({"node0": (1, 2), "node4": None}, "node4 doesn't say"),
    "none is asked": ({}, "no node says"),
}


@pytest.mark.parametrize(("found", "expected"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_nodes_that_differ_in_the_end_are_found(found: Mapping[str, Rows | None], expected: str) -> None:
    assert expected in sentences(rows.all_equal(evidence(entries=WRITES, rows=found)))


def test_a_long_list_is_cut_short() -> None:
    assert rows.listed(list(range(1, 13))) == "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …"


# --- fresh reads

STEADY = [write(number, float(number)) for number in range(1, 61)]


def test_a_standby_that_follows_nobody_is_found_by_its_old_rows() -> None:
    """Seen with pgpool 4.3.5: 41 rows where the primary had 321."""
    seen = [read(50, 20, backend="192.168.31.135"), read(51, 20, backend="192.168.31.135"), read(52, 51)]
    (found,) = reads.reads_are_fresh(evidence(entries=[*STEADY, *seen]))
    assert found.sentence == "2 reads from 192.168.31.135 were more than 10 s behind"
    assert found.at == 50
    assert found.evidence[0] == "reader0 saw 20 rows at 50.00 s, where 39 had been there 10 s"


def test_a_read_within_the_delay_is_fine() -> None:
    assert reads.reads_are_fresh(evidence(entries=[*STEADY, read(50, 39), read(60, 59)])) == []


def test_a_read_that_lacks_one_row_too_many_is_found() -> None:
    assert len(reads.reads_are_fresh(evidence(entries=[*STEADY, read(50, 38)]))) == 1


def test_reads_need_not_show_rows_that_were_lost() -> None:
    kept: dict[str, Rows | None] = {name: tuple(range(1, 31)) for name in MACS}
    assert reads.reads_are_fresh(evidence(entries=[*STEADY, read(60, 30)], rows=kept)) == []
    assert len(reads.reads_are_fresh(evidence(entries=[*STEADY, read(60, 29)], rows=kept))) == 1


def test_a_failed_read_is_no_stale_one() -> None:
    assert reads.reads_are_fresh(evidence(entries=[*STEADY, read(50, None)])) == []
