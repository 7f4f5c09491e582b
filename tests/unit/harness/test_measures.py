"""Figures from runs built by hand, whose times are known."""

from __future__ import annotations

import pytest

from pgpool_lab.harness.ledger import Write
from pgpool_lab.harness.measures import Gap, Measures, Window, count, gaps_between, measure
from tests.unit.harness.runs import MACS, beliefs, evidence, gone, node, read, vip, write

WINDOW = Window(fault=10.0, end=60.0)


def writes(*moments: float, client: str = "writer0", first: int = 1) -> list[Write]:
    """Acknowledged rows; each took 0.05 s."""
    return [write(first + index, moment, client=client) for index, moment in enumerate(moments)]


def seconds(gap: Gap | None) -> float | None:
    return None if gap is None else round(gap.seconds, 3)


def figures(*entries: Write) -> Measures:
    return measure(evidence(entries=entries), WINDOW)


def test_a_write_outage_lasts_from_one_acknowledgement_to_the_next() -> None:
    entries = [*writes(9, 9.9), write(3, 11, "unknown"), write(4, 13, "failed"), *writes(17, 18, first=5)]
    assert seconds(figures(*entries).write_outage) == 7.1
    counts = count(evidence(entries=entries))
    assert (counts.acknowledged, counts.unknown, counts.failed) == (4, 1, 1)


def test_one_writer_s_success_does_not_end_another_s_outage() -> None:
    steady = writes(*range(5, 30), client="writer1", first=100)
    assert seconds(figures(*writes(9, 20), *steady).write_outage) == 11


def test_each_way_to_connect_has_an_outage_of_its_own() -> None:
    by_all = [write(100 + at, at, client="writer-by-all-0", way="all") for at in (9, 10, 11, 13, 14)]
    found = figures(*writes(9, 20), *by_all)
    assert (seconds(found.write_outage), seconds(found.write_outage_by_dsn_all)) == (11, 2)
    assert figures(*writes(9, 20)).write_outage_by_dsn_all is None
    assert figures(*by_all).write_outage is None


def test_an_outage_outside_the_window_is_not_the_fault_s() -> None:
    assert seconds(figures(*writes(0, 8, 9, 10, 12, 59, 61, 90)).write_outage) == 47
    assert seconds(figures(*writes(0, 8, *range(9, 64), 90)).write_outage) == 1


def test_an_outage_is_the_fault_s_until_the_window_ends_and_then_not_over() -> None:
    found = figures(*writes(0, 8, 9, 10, 12, 13, 61, 90)).write_outage
    assert found == Gap(begin=13.05, end=60, over=False)


def test_a_pause_in_which_the_window_ends_is_no_outage_of_the_fault_s() -> None:
    """Whatever it becomes: what was done then made it longer."""
    assert seconds(figures(*writes(0, 8, *range(9, 59), 59, 90)).write_outage) == 1


def test_an_outage_that_never_ends_says_so() -> None:
    found = figures(*writes(9, 9.5), *(write(10 + at, at, "failed") for at in range(10, 50)))
    assert found.write_outage == Gap(begin=9.55, end=49.05, over=False)


def test_an_outage_that_never_ends_is_told_of_though_another_client_s_was_longer() -> None:
    over = [write(1, 8, client="writer0"), write(2, 45, client="writer0"), write(3, 49, client="writer0")]
    failed = [write(20 + at, at, "failed", client="writer1") for at in range(21, 50)]
    found = figures(*over, write(4, 20, client="writer1"), *failed)
    assert found.write_outage == Gap(begin=20.05, end=49.05, over=False)


def test_a_writer_that_never_gets_in_is_out_from_its_first_attempt() -> None:
    found = figures(*(write(at, at, "failed") for at in range(5, 20)))
    assert found.write_outage == Gap(begin=5, end=19.05, over=False)


def test_nobody_who_writes_measures_nothing() -> None:
    assert figures().write_outage is None


def test_a_read_outage_counts_successful_reads_only() -> None:
    reads = [read(9, 1), read(12, None), read(15, None), read(16, 1)]
    assert seconds(measure(evidence(entries=reads), WINDOW).read_outage) == 7


def test_the_virtual_ip_is_out_from_one_answer_to_the_next() -> None:
    samples = [vip(9), vip(9.5), vip(11, None), vip(13, None), vip(16, MACS["node4"]), vip(30)]
    assert seconds(measure(evidence(samples=samples), WINDOW).vip_outage) == 6.5


def test_two_answers_in_a_row_are_no_outage_however_far_apart() -> None:
    assert measure(evidence(samples=[vip(9), vip(30)]), WINDOW).vip_outage is None


def test_a_virtual_ip_that_nobody_has_is_out_until_a_node_has_it() -> None:
    samples = [
        *(node("node0", at, holds=True) for at in (8.0, 9.0)),
        *(node("node4", at) for at in (8.5, 9.5, 11.0)),
        gone("node0", 12),
        node("node4", 13),
        node("node4", 15, holds=True),
    ]
    assert measure(evidence(samples=samples), WINDOW).holder_outage == Gap(begin=9, end=15, over=True)


def test_a_hand_over_without_a_moment_of_nobody_is_no_outage() -> None:
    samples = [
        node("node0", 9, holds=True),
        node("node4", 11, holds=True),
        node("node0", 12),
        node("node4", 20, holds=True),
    ]
    assert measure(evidence(samples=samples), WINDOW).holder_outage is None


def test_a_failure_before_the_first_success_begins_a_gap() -> None:
    assert list(gaps_between([(1, False), (2, False), (4, True)])) == [Gap(begin=1, end=4, over=True)]
    assert list(gaps_between([(1, True), (2, False), (4, False)])) == [Gap(begin=1, end=4, over=False)]
    assert list(gaps_between([])) == []


BEFORE = [
    node("node0", 9, holds=True, role="primary", watchdog="LEADER", believes=beliefs()),
    node("node4", 9, believes=beliefs()),
]


def test_a_belief_is_the_first_that_changed_of_a_running_pgpool() -> None:
    samples = [
        *BEFORE,
        node("node0", 11, role="stopped", watchdog=None),
        node("node4", 12, believes=()),
        node("node4", 14, believes=beliefs(down=["node0"])),
        node("node4", 16, believes=beliefs(primary="node4", down=["node0"])),
    ]
    assert measure(evidence(samples=samples), WINDOW).belief_seconds == 4


def test_detection_is_the_first_loss_that_a_pgpool_logs_after_the_fault() -> None:
    samples = [
        node("node4", 8, noticed=1),
        node("node4", 9, noticed=2),
        node("node4", 11, noticed=2),
        node("node4", 13, noticed=3),
        node("node4", 15, noticed=4),
    ]
    assert measure(evidence(samples=samples), WINDOW).detection_seconds == 3
    assert measure(evidence(samples=samples[:3]), WINDOW).detection_seconds is None


def test_a_count_that_began_anew_with_a_connection_is_no_detection() -> None:
    samples = [node("node4", 9, noticed=2), node("node4", 11, noticed=0), node("node4", 12, noticed=1)]
    assert measure(evidence(samples=samples), WINDOW).detection_seconds == 2


def test_a_node_whose_log_nobody_looked_at_detects_nothing() -> None:
    samples = [node("node4", 9), node("node4", 11)]
    assert measure(evidence(samples=samples), WINDOW).detection_seconds is None


def test_nothing_detected_is_not_zero_seconds() -> None:
    found = measure(evidence(samples=[*BEFORE, node("node4", 20, believes=beliefs())]), WINDOW)
    assert (found.belief_seconds, found.promotion_seconds, found.takeover_seconds) == (None, None, None)


def test_promotion_and_takeover_are_when_another_node_is_seen_with_the_role() -> None:
    samples = [
        *BEFORE,
        node("node0", 11, holds=True, role="primary"),
        node("node4", 13, role="primary", timeline=2),
        node("node4", 15, role="primary", timeline=2, holds=True),
    ]
    found = measure(evidence(samples=samples), WINDOW)
    assert (found.promotion_seconds, found.takeover_seconds) == (3, 5)


def test_who_did_not_say_before_the_fault_is_not_new_after_it() -> None:
    """Nor is what was asked before the fault and answered after it."""
    silent = gone("node0", 9.5)
    for late in (node("node0", 10.1, holds=True, role="primary"), node("node0", 11, holds=True, role="primary")):
        found = measure(evidence(samples=[*BEFORE, silent, late]), WINDOW)
        assert (found.promotion_seconds, found.takeover_seconds) == (None, None)
    straddling = node("node4", 10.1, holds=True, role="primary", took=0.2)
    found = measure(evidence(samples=[*BEFORE, straddling]), WINDOW)
    assert (found.promotion_seconds, found.takeover_seconds) == (None, None)


def test_a_client_that_had_not_got_in_before_the_fault_is_out_from_its_first_attempt() -> None:
    entries = [write(1, 8, "failed"), write(2, 14, "failed"), write(3, 30)]
    found = measure(evidence(entries=entries), WINDOW).write_outage
    assert found == Gap(begin=8, end=30.05, over=True)


def test_a_primary_that_refuses_writes_is_not_promoted_yet() -> None:
    samples = [
        *BEFORE,
        node("node4", 13, role="primary", accepts=False),
        node("node4", 14, role="primary", accepts=True),
    ]
    assert measure(evidence(samples=samples), WINDOW).promotion_seconds == 4


def test_what_a_node_becomes_during_the_repair_is_not_measured() -> None:
    found = measure(evidence(samples=[*BEFORE, node("node4", 61, role="primary")]), WINDOW)
    assert found.promotion_seconds is None


def test_lost_rows_are_the_acknowledged_ones_that_a_node_lacks() -> None:
    entries = [*writes(1, 2, 3), write(4, 4, "unknown")]
    found = count(evidence(entries=entries, rows={"node0": (1, 3), "node4": (1, 2), "node5": None}))
    assert found.lost == (2, 3)


def test_figures_survive_json() -> None:
    found = figures(*writes(9, 17))
    assert Measures.model_validate_json(found.model_dump_json()) == found
    assert found.write_outage is not None and found.write_outage.seconds == pytest.approx(8)
