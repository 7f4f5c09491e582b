"""What is run for every change covers the procedure and every class of faults."""

from __future__ import annotations

from pgpool_lab.harness.faults import FAULTS
from pgpool_lab.harness.scenarios import SCENARIOS
from pgpool_lab.harness.scenarios.choice import CHOSEN, fitting
from pgpool_lab.harness.scenarios.model import Arrangement, Inject


def test_the_procedure_is_run_as_far_as_the_nodes_suffice() -> None:
    two, three = ({one.name for one in fitting(CHOSEN, nodes)} for nodes in (2, 3))
    assert {name for name in two if name.startswith("procedure")} == {f"procedure-{letter}" for letter in "123"}
    assert three - two == {"procedure-a", "procedure-b"}


def test_one_fault_of_each_class_is_chosen() -> None:
    faults = {step.fault for name in CHOSEN for step in SCENARIOS[name].steps if isinstance(step, Inject)}
    chosen = {type(FAULTS[name]).__module__ for name in faults}
    # A base backup is no fault by itself.
    assert chosen == {type(fault).__module__ for name, fault in FAULTS.items() if name != "base-backup"}


def test_one_snapshot_serves_all_that_are_chosen() -> None:
    assert {SCENARIOS[name].begins for name in CHOSEN} == {Arrangement.TOGETHER}


def test_all_that_fit_a_lab_are_asked_for_by_their_number_of_nodes() -> None:
    assert len(fitting(tuple(SCENARIOS), 3)) == len(SCENARIOS)
    assert all(one.nodes <= 2 for one in fitting(tuple(SCENARIOS), 2))
