"""What `lab test` runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from pgpool_lab import hypervisor, machine, testing
from pgpool_lab.cli import app
from pgpool_lab.errors import LabError
from pgpool_lab.harness.faults import Entry, Record
from pgpool_lab.paths import PROJECT
from pgpool_lab.testing import Chosen, chosen_by
from tests.unit.harness_faults.fakes import OUTPUTS, FakeControl

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
    up_of: ClassVar[list[str]] = []
    down_of: ClassVar[list[str]] = []

    def __init__(self, paths: Any) -> None:
        self.paths = paths

    def up(self) -> None:
        self.up_of.append(self.paths.stack)
        self.paths.root.mkdir(parents=True, exist_ok=True)

    def down(self) -> None:
        self.down_of.append(self.paths.stack)


Run = tuple[tuple[str, ...], tuple[str, ...], dict[str, str]]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Run]:
    """pytest's runs: folders, options, variables."""
    made: list[Run] = []
    installed: list[Path] = []

    def pytest_run(folders: Sequence[str], options: Sequence[str], report: Path, *, prefix: Any, extra: Any) -> int:
        assert FakeLab.up_of or installed, "what the tests use is not there yet"
        if "LAB_STACK" in extra:
            assert (tmp_path / f".{extra['LAB_STACK']}.lock").exists(), "nobody keeps others from changing the lab"
        made.append((tuple(folders), tuple(options), extra))
        return 0

    def paths(stack: str) -> Any:
        return SimpleNamespace(
            stack=stack,
            root=tmp_path / stack,
            stack_file=Path(__file__),
            lock=tmp_path / f".{stack}.lock",
            faults=tmp_path / stack / "faults.json",
        )

    monkeypatch.setattr(testing, "PROJECT", tmp_path)
    monkeypatch.setattr(testing, "new_report_folder", lambda: tmp_path / "reports")
    monkeypatch.setattr(testing, "LabPaths", paths)
    monkeypatch.setattr(testing, "Lab", FakeLab)
    monkeypatch.setattr(machine, "install", installed.append)
    monkeypatch.setattr(testing, "pytest", pytest_run)
    monkeypatch.setattr(testing, "answer", lambda stack, chosen: testing.WOULD_RUN)
    monkeypatch.setattr(hypervisor, "enter", lambda paths: [])
    FakeLab.up_of.clear()
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


def test_what_killed_tests_left_broken_is_healed(
    runs: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    control = FakeControl()
    monkeypatch.setattr(FakeLab, "outputs", lambda self: OUTPUTS, raising=False)
    monkeypatch.setattr(testing, "Control", lambda of: control)

    def killed(*arguments: Any, **more: Any) -> int:
        Record(tmp_path / "two-node" / "faults.json").add(Entry(fault="disk-full", node="node1", peers=("node0",)))
        return -9

    monkeypatch.setattr(testing, "pytest", killed)
    assert testing.run(["two-node"]) == 1
    assert [node for node, what in control.done if "lab-balloon" in what] == ["node1"]
    assert "healed disk-full on node1, which the tests left" in capsys.readouterr().err


def test_the_given_plugin_is_found_from_another_folder(
    runs: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plugin").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMMAND_PLUGIN", "plugin")
    testing.run([])
    [plugin] = [extra for folders, _, extra in runs if folders == ("tests/plugin",)]
    assert plugin == {"COMMAND_PLUGIN": str(tmp_path / "plugin")}


def test_a_given_plugin_that_is_not_there_is_named_before_anything_is_run(
    runs: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMAND_PLUGIN", "/nowhere/plugin")
    with pytest.raises(LabError, match="COMMAND_PLUGIN=/nowhere/plugin: there is no such file"):
        testing.run([])
    assert runs == []


def answering(answers: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """What pytest says of each stack when it is asked for the options' choice."""
    monkeypatch.setattr(testing, "answer", lambda stack, chosen: answers[stack])


NEEDED: dict[str, tuple[dict[str, int], list[str]]] = {
    "both": ({"two-node": testing.WOULD_RUN, "three-node": testing.WOULD_RUN}, ["two-node", "three-node"]),
    "the larger one alone": ({"two-node": testing.NO_TESTS, "three-node": testing.WOULD_RUN}, ["three-node"]),
    "none": ({"two-node": testing.NO_TESTS, "three-node": testing.NO_TESTS}, []),
    "tests are only listed": ({"two-node": 0, "three-node": 0}, []),
}


@pytest.mark.parametrize(("answers", "needed"), NEEDED.values(), ids=NEEDED.keys())
def test_only_those_labs_are_brought_up_that_the_options_choose_tests_of(
    answers: dict[str, int], needed: list[str], runs: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(answers, monkeypatch)
    assert testing.run(["--", "-k", "something"]) == 0
    assert FakeLab.up_of == needed
    assert [extra["LAB_STACK"] for *_, extra in runs if extra] == needed
    assert len(runs) == len(testing.WITHOUT_LAB) + len(needed), "what needs no lab is run in any case"


def test_a_named_stack_of_which_no_test_is_chosen_is_not_brought_up(
    runs: list[Run], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering({"two-node": testing.NO_TESTS}, monkeypatch)
    assert testing.run(["two-node", "--", "-k", "something"]) == 1
    assert (FakeLab.up_of, runs) == ([], [])
    assert "no test was chosen" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["--all"], ["two-node"], ["two-node", "--all"]])
def test_without_options_there_is_nothing_to_ask(
    words: list[str], runs: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    answering({}, monkeypatch)
    assert testing.run(words) == 0


def test_options_that_pytest_refuses_start_nothing(
    runs: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(stack: str, chosen: Chosen) -> int:
        raise LabError("pytest does not take it")

    monkeypatch.setattr(testing, "answer", refuse)
    with pytest.raises(LabError, match="pytest does not take it"):
        testing.run(["--", "--nonsense"])
    assert (FakeLab.up_of, runs) == ([], [])
    assert not (tmp_path / "reports").exists()


LIVE_TESTS = """\
import os

import pytest

STACK = os.environ.get("LAB_STACK", "")


@pytest.mark.parametrize("scenario", ["link-down", "partition"] if STACK == "three-node" else ["link-down"])
def test_scenario(scenario):
    open("it-ran", "w")


def test_two_nodes():
    open("it-ran", "w")
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a few tests in two of the folders, of which none may be run."""
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\ntestpaths = ["tests"]\n')
    for folder, text in {"unit": "def test_scenario(): open('it-ran', 'w')\n", "live": LIVE_TESTS}.items():
        file = tmp_path / "tests" / folder / f"test_{folder}.py"
        file.parent.mkdir(parents=True)
        file.write_text(text)
    monkeypatch.setattr(testing, "PROJECT", tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    return tmp_path


RUNS, NONE = testing.WOULD_RUN, testing.NO_TESTS

ASKED: dict[str, tuple[str, dict[str, int]]] = {
    "of both stacks": ("-k link-down", {"two-node": RUNS, "three-node": RUNS}),
    "of one of them": ("-k partition", {"two-node": NONE, "three-node": RUNS}),
    "of none": ("-k nothing-of-the-kind", {"two-node": NONE}),
    "by a file that needs no lab": ("tests/unit/test_unit.py", {"two-node": NONE}),
    "by a folder": ("tests/live", {"two-node": RUNS}),
    "by two files": ("tests/unit/test_unit.py tests/live/test_live.py", {"two-node": RUNS}),
    "in several processes": ("-n 2 -k scenario", {"two-node": RUNS}),
    "to be listed": ("--collect-only", {"two-node": 0}),
}


@pytest.mark.parametrize(("options", "expected"), ASKED.values(), ids=ASKED.keys())
def test_pytest_itself_says_whether_live_tests_are_chosen(
    options: str, expected: dict[str, int], project: Path
) -> None:
    chosen = Chosen((), False, tuple(options.split()))
    assert {stack: testing.answer(stack, chosen) for stack in expected} == expected
    assert not (project / "it-ran").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--nonsense", "unrecognized arguments: --nonsense"),
        ("tests/nothing.py", "file or directory not found: tests/nothing.py"),
        ("tests/live/test_live.py::test_scenario[partition]", "not found"),
    ],
)
def test_what_pytest_complains_of_is_shown(
    options: str, said: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(LabError, match=r"pytest does not take .* for the stack two-node") as raised:
        testing.answer("two-node", Chosen((), False, (options,)))
    assert options in raised.value.problem and "after --" in raised.value.remedy
    assert said in capsys.readouterr().out


def test_tests_that_cannot_be_read_are_found_out_before_a_lab_is_brought_up(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "tests" / "live" / "test_broken.py").write_text("import nothing_of_the_kind\n")
    with pytest.raises(LabError):
        testing.answer("two-node", Chosen((), False, ("-k", "link-down")))
    assert "No module named 'nothing_of_the_kind'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "ran"),
    [
        ((), {"test_unit"}),
        (("tests/unit", "tests/live"), {"test_unit"}),
        (("tests/live/test_live.py",), set()),
    ],
)
def test_a_part_runs_the_tests_of_its_folders_only(options: tuple[str, ...], ran: set[str], project: Path) -> None:
    report = project / "report.xml"
    code = testing.pytest(("tests/unit", "tests/program"), options, report, prefix=[], extra={})
    assert code == (0 if ran else testing.NO_TESTS)
    assert {case.get("classname", "").split(".")[-1] for case in ElementTree.parse(report).iter("testcase")} == ran


def test_all_folders_of_tests_belong_to_a_part() -> None:
    found = {f"tests/{folder.name}" for folder in (PROJECT / "tests").iterdir() if (folder / "__init__.py").is_file()}
    assert found == set(testing.FOLDERS)


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
