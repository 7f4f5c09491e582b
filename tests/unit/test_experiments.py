"""`lab scenario run` on a lab that is not there: what it prints, what it leaves, and its exit code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pgpool_lab.cli import app, experiments
from pgpool_lab.cluster.outputs import LabOutputs
from pgpool_lab.harness import recording as files
from pgpool_lab.harness.result import Result
from pgpool_lab.harness.scenarios import Scenario
from pgpool_lab.lab import Lab
from tests.unit import lab_outputs
from tests.unit.harness.synthetic import recording


class FakeTrials:
    unmet: tuple[str, ...] = ()

    def __init__(self, stack: str, outputs: LabOutputs, record: Path, reports: Path, tell: Callable[[str], None]):
        self._reports = reports

    def run(self, scenario: Scenario) -> Result:
        made = recording(scenario=scenario.name, unmet=self.unmet)
        files.save(self._reports / scenario.name, made)
        return made.result


@pytest.mark.parametrize(
    ("unmet", "verdict", "code"), [((), "passed", 0), (("vip-moves: still on node0",), "FAILED", 1)]
)
def test_a_run_ends_with_its_table_its_page_and_its_verdict(
    unmet: tuple[str, ...], verdict: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lab, "outputs", lambda self: LabOutputs.model_validate(lab_outputs.values()))
    monkeypatch.setattr(FakeTrials, "unmet", unmet)
    monkeypatch.setattr(experiments, "Trials", FakeTrials)
    monkeypatch.setattr(experiments, "PROJECT", tmp_path)
    monkeypatch.setattr(experiments, "new_report_folder", lambda: tmp_path / "reports" / "now")
    done: Any = CliRunner().invoke(app, ["scenario", "run", "procedure-3"])
    assert (done.exit_code, done.exception is None or isinstance(done.exception, SystemExit)) == (code, True)
    assert verdict in done.stdout and "29.4 of" in done.stdout
    assert "report: reports/now/index.html" in done.stdout
    assert ("vip-moves: still on node0" in done.stdout) == bool(unmet)
    assert "procedure-3" in (tmp_path / "reports" / "now" / "index.html").read_text()
