"""docs/compatibility.md: that it is what the committed reports say, and what is read from reports of tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgpool_lab.compatibility.documents import ASKED, LAB, Asked, Judge, Live, Subject, load, of_junit, store
from pgpool_lab.compatibility.matrix import Cell, State, cell
from pgpool_lab.compatibility.page import PAGE, REPORTS, generate
from pgpool_lab.errors import LabError

SCENARIOS = tuple(f"test_scenario_{number}_of_the_runbook" for number in (1, 2, 3))
POOL = Asked(judge=Judge(program="pgpool", version="4.3.5", by="sample"), refused=())
SERVER = Asked(judge=Judge(program="postgresql", version="15", by="binary"), refused=())


def live(passed: tuple[str, ...] = SCENARIOS, failed: tuple[str, ...] = (), preset: str = "fast") -> Live:
    lab = Subject(
        stack="two-node",
        nodes=2,
        distribution="debian12",
        postgresql="15",
        pgpool="4.3.5",
        preset=preset,
        commit="0123456789abcdef-dirty",
    )
    return Live(lab=lab, passed=passed, failed=failed)


def test_the_committed_page_is_that_of_the_committed_reports() -> None:
    assert PAGE.read_text() == generate(load(REPORTS)), "run: .venv/bin/python -m pgpool_lab.compatibility.page"


CELLS: dict[str, tuple[list[Asked | Live], Cell]] = {
    "nothing": (
        [],
        Cell(State.RENDERED, "not at hand: the samples of pgpool 4.3.5, the server program of PostgreSQL 15"),
    ),
    "one program's": ([POOL], Cell(State.RENDERED, "not at hand: the server program of PostgreSQL 15")),
    "another version's": (
        [POOL, Asked(judge=Judge(program="postgresql", version="16", by="binary"), refused=())],
        Cell(State.RENDERED, "not at hand: the server program of PostgreSQL 15"),
    ),
    "both programs'": ([POOL, SERVER], Cell(State.CONFIGURED)),
    "one refused": (
        [POOL, SERVER.model_copy(update={"refused": ("test_it[15]",)}), live()],
        Cell(State.FAILS, "test_it[15]"),
    ),
    "a lab's": ([live()], Cell(State.LIVE)),
    "three nodes'": (
        [POOL, SERVER, live(tuple(f"test_scenario[procedure-{name}]" for name in ("3", "a", "b")))],
        Cell(State.LIVE),
    ),
    "a lab's without the third scenario": ([POOL, SERVER, live(SCENARIOS[:2])], Cell(State.CONFIGURED)),
    "one lab's that failed, another's that passed": (
        [POOL, SERVER, live(preset="procedure"), live(failed=("test_a", "test_b"))],
        Cell(State.FAILS, "test_a, test_b"),
    ),
}


@pytest.mark.parametrize(("reports", "expected"), CELLS.values(), ids=CELLS.keys())
def test_a_pair_is_what_its_reports_prove(reports: list[Asked | Live], expected: Cell) -> None:
    assert cell("4.3.5", "15", reports) == expected


def test_a_pair_that_the_settings_refuse_is_unsupported_and_says_why() -> None:
    known = cell("3.2.9", "10", [live()])
    assert known.state == State.UNSUPPORTED and "renamed" in known.why
    assert cell("3.2.9", "9.6", []).state == State.RENDERED, "refused with scram only"


def test_each_reason_is_written_once_below_the_table() -> None:
    page = generate([POOL, SERVER, live(failed=("test_a",))])
    lines = {line.split("|")[1].strip(): line for line in page.splitlines() if line.startswith("|")}
    assert "| fails (" in lines["4.3.5"]
    assert page.count(". test_a\n") == 1
    assert page.count("calls functions that PostgreSQL has renamed") == 1
    assert "| two-node | 2 | debian12 | 15 | 4.3.5 | fast | yes | 3 | test_a | 0123456789ab-dirty |" in page


def junit(path: Path, cases: str, suite: str = "") -> Path:
    path.write_text(f"<testsuites><testsuite name='pytest'>{suite}{cases}</testsuite></testsuites>")
    return path


def having(name: str, value: Judge | Subject) -> str:
    text = value.model_dump_json().replace('"', "&quot;")
    return f'<properties><property name="{name}" value="{text}"/></properties>'


def test_what_a_version_said_is_read_from_a_report(tmp_path: Path) -> None:
    cases = f"<testcase name='a'>{having(ASKED, POOL.judge)}</testcase><testcase name='b'/>"
    cases += f"<testcase name='c'>{having(ASKED, POOL.judge)}</testcase>"
    assert of_junit(junit(tmp_path / "r.xml", cases)) == [POOL]


@pytest.mark.parametrize("word", ["failure", "error", "skipped"])
def test_what_a_version_refused_is_named(tmp_path: Path, word: str) -> None:
    cases = f"<testcase name='a'>{having(ASKED, POOL.judge)}</testcase>"
    cases += f"<testcase name='b'>{having(ASKED, POOL.judge)}<{word}/></testcase>"
    cases += f"<testcase name='c'>{having(ASKED, SERVER.judge)}</testcase>"
    refused = POOL.model_copy(update={"refused": ("b",)})
    assert of_junit(junit(tmp_path / "r.xml", cases)) == [refused, SERVER]


def test_a_lab_s_report_has_what_passed_and_what_failed(tmp_path: Path) -> None:
    cases = "<testcase name='a'/><testcase name='b'><error/></testcase><testcase name='c'><skipped/></testcase>"
    cases += "<testcase name='d'><failure/></testcase><testcase name=''/>"
    expected = live(("a",), ("b", "d"))
    assert of_junit(junit(tmp_path / "r.xml", cases, having(LAB, expected.lab))) == [expected]


def test_a_later_report_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    store(tmp_path, [live(("a",), ("b",)), POOL])
    store(tmp_path, [live(("b",), ("a",)), live(preset="procedure")])
    assert load(tmp_path) == [POOL, live(("b",), ("a",)), live(preset="procedure")]


def test_a_test_s_result_stands_until_it_is_run_again(tmp_path: Path) -> None:
    store(tmp_path, [live(("a",), ("b", "c"))])
    store(tmp_path, [live(("b",))])
    assert load(tmp_path) == [live(("a", "b"), ("c",)).model_copy(update={"earlier": ("0123456789abcdef-dirty",)})]


def test_a_file_that_is_no_report_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"kind": "live"}')
    with pytest.raises(LabError, match=r"x\.json is no report of versions: live\.lab"):
        load(tmp_path)
    with pytest.raises(LabError, match=r"none\.xml is no report of tests"):
        of_junit(tmp_path / "none.xml")
