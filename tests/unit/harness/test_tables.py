"""The tables of the documentation: that they are those of the committed documents, and what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pgpool_lab.errors import LabError
from pgpool_lab.harness.measurements.series import MEASUREMENTS, SERIES
from pgpool_lab.harness.report.tables import PAGE, TABLES, generate, replace
from tests.unit.harness.measured import document, folder_of, outage

EMPTY = "\n".join(f"by hand\n<!-- {name}: generated, do not edit -->\n<!-- {name}: end -->" for name in TABLES)
MACHINE = "### 2 cores (AMD EPYC 9R14), without KVM, 1 processor a node: PostgreSQL 15, pgpool-II 4.3.5, debian12"


def made(tmp_path: Path, series: str, *documents: dict[str, Any]) -> list[str]:
    """The page's lines with these documents in one series' folder."""
    folder_of(tmp_path / series, *documents)
    return generate(EMPTY, tmp_path).splitlines()


def rows(lines: list[str], *begin: str) -> list[list[str]]:
    """The cells of the table rows that begin with these cells, without them."""
    cells = [line.strip("|").split("|") for line in lines if line.startswith("|")]
    stripped = [[cell.strip() for cell in row] for row in cells]
    return [row[len(begin) :] for row in stripped if row[: len(begin)] == list(begin)]


def test_the_committed_tables_are_those_of_the_committed_documents() -> None:
    page = PAGE.read_text()
    assert generate(page, MEASUREMENTS) == page, "run: .venv/bin/python -m pgpool_lab.harness.report.tables"


def test_every_series_has_its_tables() -> None:
    assert set(TABLES) == set(SERIES)


def test_without_documents_each_region_says_how_to_measure(tmp_path: Path) -> None:
    page = generate(EMPTY, tmp_path)
    assert "Nothing was measured yet: `./lab measure failovers --stack STACK`." in page
    assert "Nothing was measured yet: `./lab measure hang --stack STACK`." in page
    assert "Nothing was measured yet: `./lab measure scenarios --stack STACK`." in page
    assert page.count("by hand") == len(TABLES) and generate(page, tmp_path) == page


@pytest.mark.parametrize(
    "page",
    ["", "<!-- hang: generated, do not edit -->", "<!-- hang: end --><!-- hang: generated, do not edit -->"],
)
def test_a_page_without_a_whole_region_is_refused(page: str) -> None:
    with pytest.raises(LabError, match="no region 'hang'"):
        replace(page, "hang", [])


def test_the_overview_has_median_and_worst_beside_the_bound_for_every_kind_of_lab(tmp_path: Path) -> None:
    lines = made(
        tmp_path,
        "failovers",
        *(document(measures=outage(length)) for length in (12, 10, 14)),
        document(nodes=2, witness=True, measures=outage(20), rewind_seconds=18),
        document(nodes=2, measures=outage(30), replication="sync", preset="procedure", rewind_seconds=None),
    )
    assert MACHINE in lines
    none = "\N{EN DASH}"
    lost_power = "primary and holder lose their power"
    assert rows(lines, "event", "preset", "replication")[0] == ["two nodes", "two nodes and a witness", "three nodes"]
    bound = rows(lines, lost_power, "`fast`", "async")[0][2].split(" of ")[1]
    assert float(bound) > 14
    assert rows(lines, lost_power, "`fast`", "async")[0] == [none, f"20.0 / 20.0 of {bound}", f"12.0 / 14.0 of {bound}"]
    assert rows(lines, lost_power, "`procedure`", "sync")[0] == [f"30.0 / 30.0 of {bound}", none, none]
    assert rows(lines, lost_power, "`fast`", "sync") == [], "nothing was measured with this configuration"
    assert rows(lines, "PostgreSQL stops on the primary", "`fast`", "async") == [[none] * 3]
    assert rows(lines, "rewind to a healthy lab", "`fast`", "async") == [[none, "18.0 / 18.0", "12.0 / 12.0"]]
    assert rows(lines, "rewind to a healthy lab", "`procedure`", "sync") == [[none] * 3]


def test_everything_has_a_row_for_what_was_run_with_its_lost_rows_and_failures(tmp_path: Path) -> None:
    lines = made(
        tmp_path,
        "failovers",
        document(measures=outage(12) | {"detection_seconds": None, "promotion_seconds": 9.25}, lost=(5, 6)),
        document(measures=outage(10) | {"detection_seconds": 7.0, "promotion_seconds": 8.25}, lost=(7,)),
        document(
            measures=outage(60) | {"detection_seconds": 9.0}, passed=False, unmet=("vip-moves: still on node0", "more")
        ),
    )
    heading = rows(lines, "event", "preset", "replication", "lab")[0]
    (cells,) = rows(lines, "primary and holder lose their power", "`fast`", "async", "three nodes")
    found = dict(zip(heading, cells, strict=True))
    assert (found["runs"], found["rows lost by all"]) == ("3, 1 failed", "3")
    assert found["write outage"].startswith("12.0 / repair of ")
    assert found["detection"].startswith("8.0 / 9.0 of ") and found["detection"].endswith(" (in 2)")
    assert {"read outage", "VIP outage", "promotion"} <= set(heading)
    assert "- [03](measurements/failovers/03.json): vip-moves: still on node0" in lines
    assert not [line for line in lines if line.startswith(("- [01]", "- [02]"))]


def test_a_run_that_only_exceeded_a_bound_says_which(tmp_path: Path) -> None:
    late = document(passed=False)
    late["result"]["episodes"][0]["comparisons"][0]["within"] = False
    assert "- [01](measurements/failovers/01.json): exceeded: write outage" in made(tmp_path, "failovers", late)


def test_a_run_that_ended_before_its_fault_counts_and_has_no_figures(tmp_path: Path) -> None:
    lines = made(tmp_path, "failovers", document(episodes=False, passed=False, unmet=("no roles",)))
    (cells,) = rows(lines, "primary and holder lose their power", "`fast`", "async", "three nodes")
    assert cells[0] == "1, 1 failed" and set(cells[1:-1]) == {"\N{EN DASH}"}


def test_figures_of_different_machines_are_kept_apart(tmp_path: Path) -> None:
    fast = {"processor": "AMD EPYC 9R14", "cores": 8, "domain_type": "kvm", "node_processors": 1}
    lines = made(tmp_path, "failovers", document(measures=outage(30)), document(measures=outage(3), machine=fast))
    places = [line for line in lines if line.startswith("### ")]
    assert places == [MACHINE, MACHINE.replace("2 cores", "8 cores").replace("without", "with")]
    found = rows(lines, "primary and holder lose their power", "`fast`", "async", "three nodes")
    assert [cells[1].split(" of ")[0] for cells in found] == ["30.0 / 30.0", "3.0 / 3.0"]


def test_figures_of_a_preset_as_it_was_are_kept_apart(tmp_path: Path) -> None:
    earlier = document(measures=outage(30))
    earlier["result"]["subject"]["timings"] |= {"health_check_period": 77}
    lines = made(tmp_path, "failovers", document(measures=outage(3)), earlier)
    assert [line for line in lines if line.startswith("### ")] == [MACHINE, f"{MACHINE}, health_check_period 77"]


def test_the_hang_tells_who_got_in_and_how_long_the_others_were_watched(tmp_path: Path) -> None:
    with_mend, without = "machine-power-off-on-both", "power-off-without-mend"
    lines = made(
        tmp_path,
        "hang",
        document(with_mend, measures=outage(27)),
        document(with_mend, measures=outage(29)),
        document(without, measures=outage(80), passed=False, unmet=("writes-flow: no write",)),
        document(without, measures=outage(25, over=False), passed=False, unmet=("writes-flow: no write",)),
        document(without, measures=outage(31)),
        document(without, episodes=False, passed=False, unmet=("no roles",)),
    )
    none = "\N{EN DASH}"
    assert rows(lines, "`fast`", "async") == [
        ["dropped", "2", "2", "0", none, "28.0 / 29.0"],
        ["kept", "4", "1", "2", "at least 42 s", "31.0 / 31.0"],
    ]
    assert [line for line in lines if line.startswith("- ")] == [
        "- [03](measurements/hang/03.json): writes-flow: no write",
        "- [04](measurements/hang/04.json): writes-flow: no write",
        "- [06](measurements/hang/06.json): no roles",
    ]


def test_every_scenario_has_a_row_with_the_worst_outage_of_each_fault_on_each_kind_of_lab(tmp_path: Path) -> None:
    twice = document("procedure-a", measures=outage(4))
    again = document(measures=outage(5))["result"]["episodes"]
    twice["result"]["episodes"] += again
    split = document("partition-on-both", nodes=2, measures=outage(30, over=False), lost=(4,))
    split["result"]["expected"] = [{"name": "two-holders", "sentence": "", "begin": 1.0, "end": 2.0}]
    lines = made(
        tmp_path,
        "scenarios",
        document("procedure-1", measures=outage(3)),
        document("procedure-1", measures=outage(7), passed=False, unmet=("vip-moves: still on node0",)),
        document("procedure-1", nodes=2, witness=True, measures=outage(2)),
        twice,
        split,
        document("procedure-2", replication="sync", measures=outage(6)),
        document("procedure-2", episodes=False, passed=False, unmet=("no roles",)),
    )
    none = "\N{EN DASH}"
    (bound,) = {cell.split(" of ")[1] for cell in rows(lines, "`procedure-1`")[0][2:3]}
    assert rows(lines, "`procedure-1`") == [
        [sentence("procedure-1"), none, f"2.0 of {bound}", f"7.0 of {bound}, **1 failed**"]
    ]
    assert rows(lines, "`procedure-a`") == [
        [sentence("procedure-a"), none, none, f"4.0 of {bound}; then 5.0 of {bound}"]
    ]
    assert rows(lines, "`partition-on-both`") == [
        [sentence("partition-on-both"), f"repair of {bound}, 1 lost, `two-holders`", none, none]
    ]
    assert [row[-1] for row in rows(lines, "`procedure-2`")] == [f"{none}, **1 failed**", f"6.0 of {bound}"]
    assert [line for line in lines if line.startswith("`fast`")] == ["`fast`, async:", "`fast`, sync:"]
    assert rows(lines, "`procedure-3`") == [], "a scenario that was not run has no row"


def sentence(scenario: str) -> str:
    return SERIES["scenarios"].events[scenario]
