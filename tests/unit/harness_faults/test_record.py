"""The record of faults outlives whoever injected them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pgpool_lab.errors import LabError
from pgpool_lab.harness.faults import Entry, Record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "faults" / "injected.json"


def entry(fault: str, node: str = "node0") -> Entry:
    return Entry(fault=fault, node=node, peers=("node1",))


def test_another_process_finds_what_was_injected_in_its_order(path: Path) -> None:
    given = [entry("disk-full"), entry("pgpool-stop")]
    for one in given:
        Record(path).add(one)
    assert Record(path).entries() == given


def test_one_of_two_equal_faults_is_forgotten_when_one_is_healed(path: Path) -> None:
    record, first, second = Record(path), entry("disk-full"), entry("disk-full")
    record.add(first)
    record.add(second)
    record.remove(first)
    assert record.entries() == [second]


def test_nothing_is_left_when_the_last_is_healed(path: Path) -> None:
    record, one = Record(path), entry("disk-full")
    record.add(one)
    record.remove(one)
    assert (record.entries(), path.exists()) == ([], False)


def test_entries_added_at_the_same_time_are_all_kept(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda index: Record(path).add(entry("disk-full", f"node{index}")), range(24)))
    assert sorted(one.node for one in Record(path).entries()) == sorted(f"node{index}" for index in range(24))


def test_a_file_that_is_no_record_is_refused_and_kept(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('[{"fault": 1}]')
    with pytest.raises(LabError, match="no record"):
        Record(path).add(entry("disk-full"))
    assert path.read_text() == '[{"fault": 1}]'
