"""What `lab test` runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner

from pgpool_lab import hypervisor, testing
from pgpool_lab.cli import app
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


TYPED: dict[str, tuple[list[str], list[str]]] = {
    "nothing": ([], []),
    "pytest's": (["--", "-k", "keys"], ["--", "-k", "keys"]),
    "a file for pytest": (["--", "tests/unit/test_join.py"], ["--", "tests/unit/test_join.py"]),
    "all is pytest's behind the dashes": (["--", "--all"], ["--", "--all"]),
    "all, and pytest's": (["--all", "--", "-x"], ["--all", "--", "-x"]),
    "a stack, and pytest's": (["two-node", "--", "-x"], ["two-node", "--", "-x"]),
    "a stack, all, and pytest's": (["two-node", "--all", "--", "-x"], ["two-node", "--all", "--", "-x"]),
    "dashes of pytest's own": (["--", "-k", "a", "--", "b"], ["--", "-k", "a", "--", "b"]),
}


@pytest.mark.parametrize(("words", "expected"), TYPED.values(), ids=TYPED.keys())
def test_words_arrive_as_they_were_typed(
    words: list[str], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[list[str]] = []

    def run(arguments: list[str]) -> int:
        told.append(arguments)
        return 0

    monkeypatch.setattr(testing, "run", run)
    result = CliRunner().invoke(app, ["test", *words])
    assert (told, result.exit_code) == ([expected], 0)


CODES: dict[str, tuple[list[int], bool, int]] = {
    "all passed": ([0, 0], False, 0),
    "one failed": ([0, 1], False, 1),
    "one was ended by a signal": ([0, -9], False, 1),
    "options chose tests of one part": ([5, 0], True, 0),
    "options chose no test": ([5, 5], True, 1),
    "a part without tests": ([0, 5], False, 1),
}


@pytest.mark.parametrize(("codes", "narrowed", "expected"), CODES.values(), ids=CODES.keys())
def test_success_is_that_tests_ran_and_passed(codes: list[int], narrowed: bool, expected: int) -> None:
    assert testing.verdict(codes, narrowed=narrowed) == expected


def test_two_reports_of_one_second_have_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "PROJECT", tmp_path)
    monkeypatch.setattr("time.strftime", lambda form: "20261128-120000")
    names = [testing.new_report_folder().name for _ in range(3)]
    assert names == ["20261128-120000", "20261128-120000-2", "20261128-120000-3"]


class FakeLab:
    down_of: ClassVar[list[str]] = []

    def __init__(self, paths: Any) -> None:
        self.paths = paths

    def up(self) -> None:
        self.paths.root.mkdir(parents=True, exist_ok=True)

    def down(self) -> None:
        self.down_of.append(self.paths.stack)


Run = tuple[tuple[str, ...], tuple[str, ...], dict[str, str]]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Run]:
    """pytest's runs: folders, options, variables."""
    made: list[Run] = []

    def pytest_run(folders: Sequence[str], options: Sequence[str], report: Path, *, prefix: Any, extra: Any) -> int:
        if "LAB_STACK" in extra:
            assert (tmp_path / f".{extra['LAB_STACK']}.lock").exists(), "nobody keeps others from changing the lab"
        made.append((tuple(folders), tuple(options), extra))
        return 0

    def paths(stack: str) -> Any:
        return SimpleNamespace(
            stack=stack, root=tmp_path / stack, stack_file=Path(__file__), lock=tmp_path / f".{stack}.lock"
        )

    monkeypatch.setattr(testing, "PROJECT", tmp_path)
    monkeypatch.setattr(testing, "new_report_folder", lambda: tmp_path / "reports")
    monkeypatch.setattr(testing, "LabPaths", paths)
    monkeypatch.setattr(testing, "Lab", FakeLab)
    monkeypatch.setattr(testing, "pytest", pytest_run)
    monkeypatch.setattr(hypervisor, "enter", lambda paths: [])
    FakeLab.down_of.clear()
    return made


def test_everything_is_run_on_both_stacks_with_the_chosen_scenarios(runs: list[Run], tmp_path: Path) -> None:
    assert testing.run([]) == 0
    without, live = runs[: len(testing.WITHOUT_LAB)], runs[len(testing.WITHOUT_LAB) :]
    assert {folder for folders, *_ in without for folder in folders} == {"tests/unit", "tests/program", "tests/plugin"}
    assert [extra["LAB_STACK"] for *_, extra in live] == ["two-node", "three-node"]
    assert {extra[testing.SCENARIOS] for *_, extra in live} == {"chosen"}
    assert {extra[testing.REPORTS] for *_, extra in live} == {str(tmp_path / "reports")}


def test_all_scenarios_are_measured_when_asked_for(runs: list[Run]) -> None:
    assert testing.run(["two-node", "--all", "--", "-x"]) == 0
    [(_, options, extra)] = runs
    assert options == ("-x",)
    assert extra[testing.SCENARIOS] == "all"


def test_everything_has_the_witness_s_stack_as_well(runs: list[Run]) -> None:
    assert testing.run(["--all"]) == 0
    assert [extra["LAB_STACK"] for *_, extra in runs if extra] == ["two-node", "three-node", "two-node-witness"]


def test_a_lab_that_was_brought_up_for_the_tests_makes_room_for_the_next(runs: list[Run]) -> None:
    testing.run([])
    assert FakeLab.down_of == ["two-node"]


def test_a_lab_that_was_there_before_stays(runs: list[Run], tmp_path: Path) -> None:
    (tmp_path / "two-node").mkdir()
    testing.run([])
    assert FakeLab.down_of == []


def test_what_failed_is_told_once_more_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "live-two-node.xml").write_text(
        "<testsuites><testsuite>"
        '<testcase classname="tests.live.test_operation" name="test_fine"><system-out>said</system-out></testcase>'
        '<testcase classname="tests.live.test_operation" name="test_keys"><failure message="assert 1&#10; == 2"/>'
        "</testcase></testsuite></testsuites>"
    )
    (tmp_path / "plugin.xml").write_text(
        '<testsuites><testcase classname="tests.plugin.test_life" name="test_it"><error message="no engine"/>'
        "</testcase></testsuites>"
    )
    assert testing.failures(tmp_path) == [
        "FAILED live-two-node: tests.live.test_operation::test_keys\n  assert 1 == 2",
        "FAILED plugin: tests.plugin.test_life::test_it\n  no engine",
    ]
