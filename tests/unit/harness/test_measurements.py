"""Series of measured runs: what is left to do of them, and the documents that they leave."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pgpool_lab.errors import LabError
from pgpool_lab.harness.assessment import Place
from pgpool_lab.harness.measurements import collect as collecting
from pgpool_lab.harness.measurements.collect import collect
from pgpool_lab.harness.measurements.document import Measurement, configuration_of, load, load_all, store
from pgpool_lab.harness.measurements.series import SERIES, Series, due, series_named
from pgpool_lab.harness.result import Result
from pgpool_lab.harness.scenarios import SCENARIOS, Scenario
from pgpool_lab.harness.scenarios.choice import fitting
from pgpool_lab.harness.scenarios.model import Arrangement
from tests.unit.harness.measured import document, folder_of, outage
from tests.unit.harness.synthetic import recording
from tests.unit.harness.test_assessment import MACHINE, outputs

PAIR = Series("pair", {"procedure-1": "one", "procedure-2": "two"}, runs=2)


@pytest.mark.parametrize("name", ["failovers", "hang"])
def test_a_series_of_many_runs_has_scenarios_that_one_snapshot_serves(name: str) -> None:
    assert {SCENARIOS[each].begins for each in SERIES[name].events} == {Arrangement.TOGETHER}


def test_failovers_fit_two_nodes_and_the_hang_takes_three() -> None:
    assert {name: (series.nodes, series.runs) for name, series in SERIES.items()} == {
        "failovers": (2, 5),
        "hang": (3, 10),
        "scenarios": (2, 1),
    }


@pytest.mark.parametrize("nodes", [2, 3])
def test_the_series_of_all_scenarios_is_what_lab_test_all_measures(nodes: int) -> None:
    assert SERIES["scenarios"].fitting(nodes) == tuple(scenario.name for scenario in fitting(nodes))
    assert ("procedure-a" in SERIES["scenarios"].fitting(nodes)) == (nodes == 3)


def test_an_unknown_series_is_refused_with_those_there_are() -> None:
    with pytest.raises(LabError) as caught:
        series_named("failover")
    assert "failovers, hang, scenarios" in caught.value.remedy


DUE: dict[str, tuple[dict[str, int], list[tuple[int, str]]]] = {
    "nothing is there": ({}, [(1, "procedure-1"), (1, "procedure-2"), (2, "procedure-1"), (2, "procedure-2")]),
    "interrupted": ({"procedure-1": 1}, [(1, "procedure-2"), (2, "procedure-1"), (2, "procedure-2")]),
    "complete": ({"procedure-1": 2, "procedure-2": 3}, []),
    "others do not count": ({"procedure-3": 2, "procedure-1": 2}, [(1, "procedure-2"), (2, "procedure-2")]),
}


@pytest.mark.parametrize(("there", "expected"), DUE.values(), ids=DUE.keys())
def test_what_is_missing_is_run_round_by_round(there: dict[str, int], expected: list[tuple[int, str]]) -> None:
    assert due(PAIR.events, there, 2) == expected


def measurement(**changed: Any) -> Measurement:
    given: dict[str, Any] = {"commit": "c0ffee", "witness": False, "rewind_seconds": 12.5}
    return Measurement(**{**given, "result": recording(scenario="procedure-3").result, **changed})


def test_documents_never_replace_each_other_and_hold_the_result_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    paths = [store(folder, measurement()), store(folder, measurement()), store(folder, measurement(witness=True))]
    assert [path.name for path in paths] == [
        "three-node.fast.async.procedure-3.1.json",
        "three-node.fast.async.procedure-3.2.json",
        "three-node.witness.fast.async.procedure-3.1.json",
    ]
    assert sorted(folder.iterdir()) == sorted(paths)
    assert Measurement.model_validate_json(paths[0].read_text()) == measurement()


def test_a_document_of_another_time_is_read_whatever_keys_it_has_more_or_lacks(tmp_path: Path) -> None:
    made = document(measures={"write_outage_by_dsn_all": {"begin": 1020, "end": 1021.5, "over": True}})
    del made["result"]["episodes"][0]["measures"]["read_outage"]
    del made["witness"], made["rewind_seconds"]
    made["result"]["new"] = made["result"]["episodes"][0]["new"] = 1
    (run,) = load_all(folder_of(tmp_path / "some", made)).values()
    assert run.episode is not None
    assert run.episode.value("write_outage_by_dsn_all") == pytest.approx(1.5)
    assert (run.episode.value("read_outage"), run.witness, run.rewind_seconds) == (None, False, None)


OUTAGES: dict[str, tuple[dict[str, Any], float]] = {
    "ended before the repair at 1062": (outage(30), 30),
    "ended with the repair": (outage(50), float("inf")),
    "never ended": (outage(30, over=False), float("inf")),
    "a pause between two writes": ({"write_outage": {"begin": 1061.9, "end": 1062.1, "over": True}}, 0.2),
}


@pytest.mark.parametrize(("measures", "seconds"), OUTAGES.values(), ids=OUTAGES.keys())
def test_an_outage_that_only_the_repair_ended_has_no_length(
    measures: dict[str, Any], seconds: float, tmp_path: Path
) -> None:
    (run,) = load_all(folder_of(tmp_path / "one", document(measures=measures))).values()
    assert run.episode is not None and run.episode.value("write_outage") == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "{}", '{"result": {"passed": true}}'])
def test_a_file_that_is_no_document_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(LabError, match=r"broken\.json is no measured run"):
        load(path)


def test_without_a_folder_there_is_nothing(tmp_path: Path) -> None:
    assert load_all(tmp_path / "none") == {}


class FakeTrials:
    """Gives a run that was made before, on the lab of `outputs()`."""

    folders: ClassVar[list[str]] = []
    rewind_seconds = 9.5

    def __init__(self, stack: str, lab: object, record: Path, reports: Path, tell: Callable[[str], None]) -> None:
        self._reports = reports

    def run(self, scenario: Scenario) -> Result:
        self.folders.append(f"{self._reports.name}/{scenario.name}")
        return recording(scenario=scenario.name).result


PLACE = Place(outputs=outputs(), preset="fast", machine=MACHINE)


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs that were made, as their folders."""
    monkeypatch.setattr(collecting, "Trials", FakeTrials)
    monkeypatch.setattr(collecting, "place_of", lambda lab: PLACE)
    monkeypatch.setattr(collecting, "commit", lambda: "c0ffee")
    monkeypatch.setattr(FakeTrials, "folders", [])
    return FakeTrials.folders


def begun(folder: Path, series: Series = PAIR, *, runs: int = 2, **changed: Any) -> Iterator[Result]:
    given: dict[str, Any] = {"stack": "three-node", "outputs": outputs(), "record": folder, "tell": lambda line: None}
    return collect(series, runs, folder, reports=Path("reports"), **{**given, **changed})


def collected(folder: Path, *, runs: int = 2) -> int:
    """How many runs it took to complete the series."""
    return len(list(begun(folder, runs=runs)))


def test_a_result_says_of_its_lab_what_the_lab_says_of_itself(tmp_path: Path) -> None:
    run = load(store(tmp_path, measurement()))
    assert run.subject.configuration == configuration_of("three-node", PLACE)


def test_a_series_is_run_until_it_is_complete_and_goes_on_where_it_was_interrupted(
    done: list[str], tmp_path: Path
) -> None:
    next(begun(tmp_path))
    assert done == ["run-1/procedure-1"]
    assert collected(tmp_path) == 3
    assert done[1:] == ["run-1/procedure-2", "run-2/procedure-1", "run-2/procedure-2"]
    assert collected(tmp_path) == 0
    first = json.loads((tmp_path / "three-node.fast.async.procedure-1.1.json").read_text())
    assert (first["commit"], first["witness"], first["rewind_seconds"]) == ("c0ffee", False, 9.5)


OTHERS: dict[str, dict[str, Any]] = {
    "another preset": {"preset": "procedure"},
    "other timings": {"timings": {"health_check_period": 3}},
    "synchronous": {"replication": "sync"},
    "another stack": {"stack": "own"},
    "another version": {"versions": {"pgpool": "4.6.0"}},
    "a witness": {"witness": True},
    "another machine": {"machine": {"processor": "AMD EPYC 9R14", "cores": 8, "domain_type": "kvm"}},
    "nodes of another size": {"machine": {"processor": "AMD EPYC 9R14", "cores": 2, "domain_type": "qemu"}},
}


@pytest.mark.parametrize("changed", OTHERS.values(), ids=OTHERS.keys())
def test_runs_of_another_configuration_do_not_count(changed: dict[str, Any], done: list[str], tmp_path: Path) -> None:
    same = document("procedure-1") | {"result": json.loads(recording(scenario="procedure-1").result.model_dump_json())}
    other = document("procedure-2", **changed)
    folder_of(tmp_path, same, other)
    assert collected(tmp_path, runs=1) == 1
    assert done == ["run-1/procedure-2"]


def test_a_lab_with_too_few_nodes_is_refused_before_anything_is_run(done: list[str], tmp_path: Path) -> None:
    with pytest.raises(LabError, match="hang takes 3 nodes, two-node has 2"):
        next(begun(tmp_path, SERIES["hang"], stack="two-node", outputs=outputs(nodes=2)))
    assert done == []
