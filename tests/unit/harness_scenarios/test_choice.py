"""What is run for every change covers the procedure and every class of faults."""

from __future__ import annotations

from pgpool_lab.harness.faults import FAULTS, Losses
from pgpool_lab.harness.scenarios import SCENARIOS
from pgpool_lab.harness.scenarios.choice import chosen, fitting
from pgpool_lab.harness.scenarios.model import Arrangement, Inject

EVERY = [scenario for nodes in (2, 3) for scenario in chosen(nodes)]


def test_the_whole_procedure_is_run_on_three_nodes_and_on_more() -> None:
    assert {one.name for one in chosen(3)} == {f"procedure-{letter}" for letter in "3ab"}
    # What is struck first there, and what must follow.
    assert [SCENARIOS[f"procedure-{letter}"].steps[:2] for letter in "ab"] == [
        SCENARIOS[f"procedure-{number}"].steps[:2] for number in "12"
    ]
    assert chosen(4) == chosen(3)


def test_the_whole_procedure_is_run_on_two_nodes() -> None:
    assert {one.name for one in chosen(2)} >= {f"procedure-{number}" for number in "123"}


def test_one_fault_of_each_class_is_chosen() -> None:
    faults = {step.fault for scenario in EVERY for step in scenario.steps if isinstance(step, Inject)}
    classes = {type(FAULTS[name]).__module__ for name in faults}
    # What costs the cluster nothing, as a base backup, is no fault by itself.
    assert classes == {type(fault).__module__ for fault in FAULTS.values() if fault.losses != Losses()}


def test_one_snapshot_serves_all_that_are_chosen() -> None:
    assert {scenario.begins for scenario in EVERY} == {Arrangement.TOGETHER}


def test_what_is_chosen_fits() -> None:
    assert all(set(chosen(nodes)) <= set(fitting(nodes)) for nodes in (2, 3, 4))


def test_all_that_fit_a_lab_are_asked_for_by_their_number_of_nodes() -> None:
    assert len(fitting(3)) == len(SCENARIOS) - 1
    assert all(one.nodes <= 2 for one in fitting(2))


def test_what_is_expected_to_fail_is_run_by_name_only() -> None:
    assert SCENARIOS["power-off-without-mend"].by_name_only
    assert not any(one.by_name_only for nodes in (2, 3, 4) for one in (*chosen(nodes), *fitting(nodes)))
