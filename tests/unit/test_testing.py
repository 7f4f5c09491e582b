"""What `lab test` runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pgpool_lab import hypervisor, testing
from pgpool_lab.testing import Chosen, chosen_by

ARGUMENTS: dict[str, tuple[list[str], Chosen]] = {
    "nothing": ([], Chosen((), False, ())),
    "stacks": (["two-node", "three-node"], Chosen(("two-node", "three-node"), False, ())),
    "all": (["--all"], Chosen((), True, ())),
    "all of a stack": (["two-node", "--all"], Chosen(("two-node",), True, ())),
    "all before the stack": (["--all", "two-node"], Chosen(("two-node",), True, ())),
    "pytest's": (["two-node", "--", "-k", "keys"], Chosen(("two-node",), False, ("-k", "keys"))),
    "pytest's without dashes": (["two-node", "-k", "keys"], Chosen(("two-node",), False, ("-k", "keys"))),
    "all is pytest's behind the dashes": (["--", "--all"], Chosen((), False, ("--all",))),
    "all, and pytest's": (["--all", "--", "-x"], Chosen((), True, ("-x",))),
}


@pytest.mark.parametrize(("arguments", "expected"), ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_arguments(arguments: list[str], expected: Chosen) -> None:
    assert chosen_by(arguments) == expected


class FakeLab:
    def __init__(self, paths: Any) -> None:
        self.paths = paths

    def up(self) -> None:
        pass


Run = tuple[tuple[str, ...], tuple[str, ...], dict[str, str]]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Run]:
    """pytest's runs: folders, options, variables."""
    made: list[Run] = []

    def pytest_run(folders: Sequence[str], options: Sequence[str], report: Path, *, prefix: Any, extra: Any) -> int:
        made.append((tuple(folders), tuple(options), extra))
        return 0

    monkeypatch.setattr(testing, "PROJECT", tmp_path)
    monkeypatch.setattr(testing, "new_report_folder", lambda: tmp_path / "reports")
    monkeypatch.setattr(testing, "Lab", FakeLab)
    monkeypatch.setattr(testing, "pytest", pytest_run)
    monkeypatch.setattr(hypervisor, "enter", lambda paths: [])
    return made


def test_measured_scenarios_are_left_out_until_they_are_asked_for(runs: list[Run], tmp_path: Path) -> None:
    assert testing.run([]) == 0
    assert testing.run(["two-node", "--all"]) == 0
    assert testing.run(["two-node", "--", "-m", "measured"]) == 0
    (without, *_), usual, everything, chosen = runs
    assert without == testing.WITHOUT_LAB
    assert [options for _, options, _ in (usual, everything, chosen)] == [
        ("-m", "not measured"),
        (),
        ("-m", "not measured", "-m", "measured"),
    ]
    assert [extra[testing.SCENARIOS] for *_, extra in (usual, everything, chosen)] == ["chosen", "all", "chosen"]
    assert usual[2][testing.REPORTS] == str(tmp_path / "reports")
