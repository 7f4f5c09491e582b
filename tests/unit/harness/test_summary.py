"""The table in the terminal."""

from __future__ import annotations

from pgpool_lab.harness.bounds import Bound
from pgpool_lab.harness.comparison import Comparison
from pgpool_lab.harness.report.summary import HEADING, cell, lines
from tests.unit.harness.synthetic import recording

LIMIT = Bound(seconds=28, terms=(), multiplier=1)


def one(measured: float | None, *, bound: Bound | None = LIMIT, ended: bool = True, within: bool = True) -> Comparison:
    return Comparison(name="write outage", measured=measured, ended=ended, bound=bound, within=within)


def test_a_figure_stands_beside_its_bound_and_shows_when_it_exceeds_it() -> None:
    assert cell(one(8.06)) == "8.1 of 28.0"
    assert cell(one(31, within=False)) == "31.0 of 28.0 !"
    assert cell(one(9, ended=False, within=False)) == "9.0, not over of 28.0 !"
    assert cell(one(8.06, bound=None)) == "8.1"
    assert cell(one(None)) == "-"
    assert cell(one(None, within=False)) == "never of 28.0 !"


def test_every_run_has_its_row_and_its_verdict() -> None:
    good, bad = recording(scenario="1").result, recording(scenario="2", unmet=("vip-moves: still on node0",)).result
    heading, first, second, *rest = lines([good, bad])
    assert heading.split() == [word for word in HEADING if word]
    assert heading.split()[3:5] == ["writes", "dsn_all"]
    assert first.startswith("1 ") and "machine-power-off on node0" in first and first.endswith("0     passed")
    assert second.startswith("2 ") and second.endswith("FAILED")
    assert rest == ["2 (three-node): not as expected: vip-moves: still on node0"]


def test_what_took_too_long_is_told_below_though_the_table_has_no_room_for_it() -> None:
    result = recording().result
    (episode,) = result.episodes
    late = one(61, within=False).model_copy(update={"name": "holder outage"})
    others = tuple(found for found in episode.comparisons if found.name != late.name)
    failed = result.model_copy(
        update={"episodes": (episode.model_copy(update={"comparisons": (*others, late)}),), "passed": False}
    )
    assert lines([failed])[2:] == [
        "3 host down (three-node): exceeded: holder outage after machine-power-off: 61.0 of 28.0 !"
    ]


def test_what_was_violated_is_told_below() -> None:
    *_, last = lines([recording(lost=frozenset({150}), replication="sync").result])
    assert last.startswith("3 host down (three-node): violated: acknowledged rows: ")


def test_several_disturbances_have_a_row_each_and_a_run_without_any_has_one() -> None:
    result = recording().result
    twice = result.model_copy(update={"episodes": (*result.episodes, *result.episodes)})
    assert len(lines([twice])) == 3
    none = lines([result.model_copy(update={"episodes": ()})])
    assert len(none) == 2 and "passed" in none[1]


def test_no_runs_make_no_table() -> None:
    assert lines([]) == []
