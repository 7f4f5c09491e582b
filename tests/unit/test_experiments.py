"""`lab scenario run`, `lab measure` and `lab soak` without a lab: prints, what stays, and exit codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pgpool_lab.cli import app, experiments
from pgpool_lab.cluster.outputs import LabOutputs
from pgpool_lab.errors import LabError
from pgpool_lab.harness import recording as files
from pgpool_lab.harness.assessment import Place
from pgpool_lab.harness.measurements import collect
from pgpool_lab.harness.result import Result
from pgpool_lab.harness.scenarios import Scenario
from pgpool_lab.harness.soak import SoakResult
from pgpool_lab.harness.soak.run import StrikeResult
from pgpool_lab.lab import Lab
from pgpool_lab.paths import LabPaths
from tests.unit import lab_outputs
from tests.unit.harness.synthetic import recording
from tests.unit.harness.test_assessment import MACHINE, outputs


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """These commands take a lab for themselves: not one that somebody may be using now."""
    monkeypatch.setattr(experiments, "LabPaths", lambda stack: LabPaths(stack, tmp_path))


class FakeTrials:
    unmet: tuple[str, ...] = ()
    rewind_seconds = None

    def __init__(self, stack: str, outputs: LabOutputs, record: Path, reports: Path, tell: Callable[[str], None]):
        self._reports = reports

    def run(self, scenario: Scenario) -> Result:
        made = recording(scenario=scenario.name, unmet=self.unmet)
        files.save(self._reports / scenario.name, made)
        return made.result


def without_lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Outputs of a lab in this process's network, and reports below a folder of the test's."""
    monkeypatch.setattr(Lab, "outputs", lambda self: LabOutputs.model_validate(lab_outputs.values()))
    monkeypatch.setattr(experiments, "PROJECT", tmp_path)
    monkeypatch.setattr(experiments, "new_report_folder", lambda: tmp_path / "reports" / "now")


@pytest.mark.parametrize(
    ("unmet", "verdict", "code"), [((), "passed", 0), (("vip-moves: still on node0",), "FAILED", 1)]
)
def test_a_run_ends_with_its_table_its_page_and_its_verdict(
    unmet: tuple[str, ...], verdict: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_lab(monkeypatch, tmp_path)
    monkeypatch.setattr(FakeTrials, "unmet", unmet)
    monkeypatch.setattr(experiments, "Trials", FakeTrials)
    done: Any = CliRunner().invoke(app, ["scenario", "run", "procedure-3"])
    assert (done.exit_code, done.exception is None or isinstance(done.exception, SystemExit)) == (code, True)
    assert verdict in done.stdout and "29.4 of" in done.stdout
    assert "report: reports/now/index.html" in done.stdout
    assert ("vip-moves: still on node0" in done.stdout) == bool(unmet)
    assert "procedure-3" in (tmp_path / "reports" / "now" / "index.html").read_text()


@pytest.fixture
def measuring(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """Invokes `lab measure` on that lab, which runs every scenario of a series once unless told otherwise."""
    (tmp_path / "reports" / "now").mkdir(parents=True)
    place = Place(outputs=outputs(), preset="fast", machine=MACHINE)
    monkeypatch.setattr(Lab, "outputs", lambda self: outputs())
    monkeypatch.setattr(FakeTrials, "unmet", ("vip-moves: still on node0",))
    monkeypatch.setattr(collect, "Trials", FakeTrials)
    monkeypatch.setattr(collect, "place_of", lambda outputs: place)
    monkeypatch.setattr(experiments, "PROJECT", tmp_path)
    monkeypatch.setattr(experiments, "new_report_folder", lambda: tmp_path / "reports" / "now")

    def invoke(*words: str) -> Any:
        given = ["measure", "hang", "--stack", "three-node", "--into", str(tmp_path / "documents"), "--runs", "1"]
        return CliRunner().invoke(app, [*given, *words])

    return invoke


def test_a_series_leaves_documents_pages_and_the_table_of_its_runs_though_they_failed(
    measuring: Callable[..., Any], tmp_path: Path
) -> None:
    done = measuring()
    assert (done.exit_code, done.exception) == (0, None)
    table = done.stdout.splitlines()[-6:-3]
    assert [line.split()[0] for line in table] == ["scenario", "machine-power-off-on-both", "power-off-without-mend"]
    assert "29.4 of" in table[1] and table[1].endswith("FAILED")
    assert sorted(path.name for path in (tmp_path / "documents").iterdir()) == [
        "three-node.fast.async.machine-power-off-on-both.1.json",
        "three-node.fast.async.power-off-without-mend.1.json",
    ]
    assert "power-off-without-mend" in (tmp_path / "reports" / "now" / "run-1" / "index.html").read_text()


def test_a_complete_series_is_not_run_again_until_more_is_asked_for(
    measuring: Callable[..., Any], tmp_path: Path
) -> None:
    measuring()
    done = measuring()
    assert (done.exit_code, done.exception) == (0, None)
    assert "scenario" not in done.stdout and "complete:" in done.stdout
    measuring("--runs", "2")
    assert len(list((tmp_path / "documents").iterdir())) == 4


class FakeSoak:
    wrong: tuple[str, ...] = ()

    def __init__(self, stack: str, outputs: LabOutputs, record: Path, reports: Path, tell: Callable[[str], None]):
        self._stack, self._reports = stack, reports
        self.results: list[Result] = []

    def run(self, seed: int, minutes: int) -> SoakResult:
        made = recording(scenario="soak-001-pgpool-kill-on-node4", unmet=self.wrong)
        files.save(self._reports / "soak-001", made)
        self.results.append(made.result)
        struck = StrikeResult(
            position=1,
            fault="pgpool-kill",
            node="node4",
            holder="node0",
            primary="node4",
            calm=1,
            lasts=2,
            recording="soak-001",
            wrong=self.wrong,
        )
        return SoakResult(stack=self._stack, seed=seed, minutes=minutes, seconds=61.0, strikes=(struck,))


@pytest.mark.parametrize(
    ("wrong", "verdict", "code"),
    [
        ((), "seed 7: 1 faults in 1 minutes without a violation", 0),
        (("one holder: two",), "seed 7: fault 1, pgpool-kill on node4, after 1 minutes: one holder: two", 1),
    ],
)
def test_a_soak_ends_with_what_repeats_it(
    wrong: tuple[str, ...], verdict: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_lab(monkeypatch, tmp_path)
    monkeypatch.setattr(FakeSoak, "wrong", wrong)
    monkeypatch.setattr(experiments, "Soak", FakeSoak)
    done: Any = CliRunner().invoke(app, ["soak", "--seed", "7", "--minutes", "1"])
    assert done.exit_code == code
    assert done.stdout.rstrip().endswith(verdict)
    assert "soak-001-pgpool-kill-on-node4" in (tmp_path / "reports" / "now" / "index.html").read_text()


@pytest.mark.parametrize("words", [["--minutes", "1"], ["--seed", "7"], ["--seed", "7", "--minutes", "0"]])
def test_a_soak_without_its_seed_or_its_length_is_refused(words: list[str]) -> None:
    assert CliRunner().invoke(app, ["soak", *words]).exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        ["soak", "--seed", "7", "--minutes", "1"],
        ["scenario", "run", "procedure-3"],
        ["measure"],
        ["fault", "inject", "machine-reboot", "node0"],
        ["fault", "heal"],
        ["rewind"],
    ],
    ids=" ".join,
)
def test_what_is_no_factor_is_refused_before_anything_is_broken(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_WAIT_FACTOR", "x")
    monkeypatch.setattr(experiments, "lab_of", lambda stack: pytest.fail("the lab was asked"))
    done: Any = CliRunner().invoke(app, words)
    assert isinstance(done.exception, LabError) and "LAB_WAIT_FACTOR" in done.exception.problem


def test_what_lacks_its_witness_is_not_captured_and_a_rejoin_is_not_what_helps(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_lab(monkeypatch, tmp_path)
    report = {
        "stack": "two-node",
        "problems": ["witness cannot be reached"],
        "witness": {"name": "witness", "reachable": False},
    }
    monkeypatch.setattr(experiments, "status", lambda outputs, stack: report)
    done: Any = CliRunner().invoke(app, ["snapshot"])
    assert isinstance(done.exception, LabError) and done.exception.remedy == "./lab up two-node, then repeat"
