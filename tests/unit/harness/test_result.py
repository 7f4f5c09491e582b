"""A run's document: what makes it pass, and that it survives its file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from pgpool_lab.harness import recording as files
from pgpool_lab.harness.bounds import Bound, Bounds
from pgpool_lab.harness.comparison import compare
from pgpool_lab.harness.machine import memory_mib, processor, this_machine
from pgpool_lab.harness.measures import Gap, Measures
from pgpool_lab.harness.result import read, write
from tests.unit.harness.synthetic import recording

TEN = Bound(seconds=10, terms=(), multiplier=1)
BOUNDS = Bounds(
    write_outage=TEN,
    write_outage_by_dsn_all=TEN,
    read_outage=TEN,
    vip_outage=None,
    holder_outage=TEN,
    detection_seconds=TEN,
    promotion_seconds=TEN,
    belief_seconds=TEN,
    takeover_seconds=None,
)
MEASURES = Measures(
    write_outage=Gap(begin=1, end=9, over=True),
    write_outage_by_dsn_all=Gap(begin=1, end=3, over=True),
    read_outage=Gap(begin=1, end=11, over=True),
    vip_outage=Gap(begin=1, end=99, over=True),
    holder_outage=None,
    detection_seconds=3,
    promotion_seconds=10,
    belief_seconds=5,
    takeover_seconds=None,
)


def test_every_measure_stands_beside_its_bound() -> None:
    found = [(one.name, one.measured, one.bound and one.bound.seconds, one.within) for one in compare(MEASURES, BOUNDS)]
    assert found == [
        ("write outage", 8, 10, True),
        ("write outage by dsn_all", 2, 10, True),
        ("read outage", 10, 10, True),
        ("vip outage", 98, None, True),
        ("holder outage", None, 10, True),
        ("detection", 3, 10, True),
        ("promotion", 10, 10, True),
        ("belief", 5, 10, True),
        ("takeover", None, None, True),
    ]


EXCEEDED = {
    "too long": ({"write_outage": Gap(begin=1, end=11.5, over=True)}, "write outage"),
    "never over": ({"read_outage": Gap(begin=1, end=3, over=False)}, "read outage"),
    "too late": ({"detection_seconds": 10.1}, "detection"),
    "never happened": ({"promotion_seconds": None}, "promotion"),
}


@pytest.mark.parametrize(("change", "expected"), EXCEEDED.values(), ids=EXCEEDED.keys())
def test_what_exceeds_its_bound_is_named(change: dict[str, object], expected: str) -> None:
    found = compare(MEASURES.model_copy(update=change), BOUNDS)
    assert [one.name for one in found if not one.within] == [expected]


@pytest.mark.parametrize("missed", ["detection_seconds", "belief_seconds"])
def test_what_pgpool_says_and_was_missed_exceeds_nothing(missed: str) -> None:
    found = compare(MEASURES.model_copy(update={missed: None}), BOUNDS)
    assert all(one.within for one in found)


def test_a_run_without_violations_and_within_its_bounds_passes() -> None:
    result = recording().result
    assert (result.violations, result.passed) == ((), True)
    outage = result.episodes[0].measures.write_outage
    assert outage is not None and 28 < outage.seconds < 31


def test_without_bounds_nothing_is_exceeded() -> None:
    slow = MEASURES.model_copy(update={"write_outage": Gap(begin=0, end=500, over=False), "promotion_seconds": None})
    found = compare(slow, None)
    assert len(found) == len(compare(slow, BOUNDS))
    assert all(one.within and one.bound is None for one in found)


def test_an_expectation_that_did_not_come_true_fails_a_run() -> None:
    result = recording(unmet=("vip-moves: node0 holds it still",)).result
    assert (result.violations, result.passed) == ((), False)


def test_a_lost_row_fails_a_synchronous_run_and_is_counted_in_an_asynchronous_one() -> None:
    lost = frozenset({150, 151})
    kept, broken = recording(lost=lost).result, recording(lost=lost, replication="sync").result
    assert (kept.passed, kept.counts.lost) == (True, (150, 151))
    assert not broken.passed
    assert {violation.name for violation in broken.violations} == {"acknowledged rows"}


def test_a_run_survives_its_folder(tmp_path: Path) -> None:
    first, second = recording(scenario="1"), recording(scenario="2")
    files.save(tmp_path / "b", second)
    files.save(tmp_path / "a", first)
    assert files.load(tmp_path / "a") == first
    assert [found.result.subject.scenario for found in files.load_all(tmp_path)] == ["1", "2"]


def test_a_document_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write(path, recording().result)
    document = json.loads(path.read_text())
    assert read(path).passed
    path.write_text(json.dumps(document | {"schema_version": 1}))
    with pytest.raises(ValidationError):
        read(path)


def test_a_machine_is_described_by_what_the_kernel_says() -> None:
    assert processor("processor\t: 0\nmodel name\t: AMD EPYC 9R14\n") == "AMD EPYC 9R14"
    assert memory_mib("MemTotal:        8054180 kB\nMemFree: 1 kB\n") == 7865
    assert this_machine("qemu", 1).cores >= 1
