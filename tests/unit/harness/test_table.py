"""Rows in the end are asked for when replication has caught up."""

from __future__ import annotations

import time

import pytest

from pgpool_lab.cluster.outputs import LabOutputs
from pgpool_lab.harness.workload import table
from tests.unit import lab_outputs

LAB = LabOutputs.model_validate(lab_outputs.values())
Found = dict[str, tuple[int, ...] | None]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look takes ten seconds, and no pause is made between them."""
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def test_rows_are_asked_for_until_all_nodes_have_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Found] = [
        {"node0": (1, 2), "node4": (1,)},
        {"node0": None, "node4": None},
        {"node0": (1, 2), "node4": (1, 2)},
    ]
    monkeypatch.setattr(table, "final_rows", lambda outputs, nodes: answers.pop(0))
    assert table.settled_rows(LAB, LAB.nodes) == {"node0": (1, 2), "node4": (1, 2)}
    assert answers == []


def test_rows_that_stay_different_are_given_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    different: Found = {"node0": (1, 2), "node4": (1,)}
    monkeypatch.setattr(table, "final_rows", lambda outputs, nodes: different)
    assert table.settled_rows(LAB, LAB.nodes) == different


def test_the_table_is_there_when_every_node_has_the_empty_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither none, nor the one that was there before."""
    late = iter([(), None, (), (1, 2), (), ()])
    monkeypatch.setattr(table, "create", lambda outputs: None)
    monkeypatch.setattr(table, "numbers", lambda outputs, node: next(late))
    table.create_everywhere(LAB)
    assert list(late) == []
