"""The report: stretches from samples, and a page that stands alone and shows every run."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pgpool_lab.harness import recording as files
from pgpool_lab.harness.invariants.model import Violation
from pgpool_lab.harness.recording import Recording
from pgpool_lab.harness.report import lanes
from pgpool_lab.harness.report.lanes import Stretch
from pgpool_lab.harness.report.page import build, page
from pgpool_lab.harness.samples import PostgresSample
from tests.unit.harness.runs import MACS, gone, node, vip
from tests.unit.harness.synthetic import recording


def test_a_stretch_lasts_until_something_else_is_seen() -> None:
    samples = [
        node("node0", 3, role="stopped"),
        node("node0", 1, role="primary"),
        node("node0", 2, role="primary"),
        node("node4", 2.5),
        gone("node0", 5),
    ]
    assert lanes.roles(samples, "node0", 9) == [
        Stretch(1, 3, "primary"),
        Stretch(3, 5, "stopped"),
        Stretch(5, 9, "unreachable"),
    ]


def test_a_server_that_runs_and_does_not_say_what_it_is_is_not_called_a_standby() -> None:
    silent = PostgresSample(
        running=True, in_recovery=None, accepts_writes=None, timeline=None, lsn=None, streaming_from=None
    )
    assert lanes.role(node("node0", 1).model_copy(update={"postgres": silent})) == "no answer"


def test_only_the_times_with_the_virtual_ip_are_holdings() -> None:
    samples = [node("node0", 1, holds=True), node("node0", 4), gone("node0", 5), node("node0", 7, holds=True)]
    assert lanes.holdings(samples, "node0", 9) == [Stretch(1, 4, "holds"), Stretch(7, 9, "holds")]


def test_who_answers_for_the_virtual_ip_is_named() -> None:
    samples = [vip(1), vip(2, None), vip(4, MACS["node4"]), vip(6, "52:54:00:00:00:01")]
    assert [stretch.state for stretch in lanes.answers(samples, MACS, 9)] == ["node0", "", "node4", "52:54:00:00:00:01"]


def test_moments_are_counted_by_the_second() -> None:
    assert lanes.per_second([9.9, 10.0, 10.5, 12.1, 13.0, 99], 10, 13) == [2, 0, 1]


class Outside(HTMLParser):
    """What a page would load from elsewhere, and its identifiers."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.identifiers: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("src", "href", "xlink:href") and value and not value.startswith("#"):
                self.loaded.append(value)
            if name == "id" and value:
                self.identifiers.append(value)


@pytest.fixture(scope="module")
def runs() -> list[Recording]:
    lost = frozenset({150, 151})
    return [recording(), recording(scenario="<synchronous>", lost=lost, replication="sync")]


@pytest.fixture(scope="module")
def text(runs: list[Recording]) -> str:
    return page(runs)


def test_a_page_loads_nothing_from_elsewhere(text: str) -> None:
    seen = Outside()
    seen.feed(text)
    assert seen.loaded == []
    assert "url(http" not in text and "<script" not in text


def test_pictures_in_one_page_do_not_refer_into_each_other(text: str) -> None:
    pictures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(pictures) == 2
    first, second = (set(re.findall(r'<(?:clipPath|pattern) id="([^"]+)"', picture)) for picture in pictures)
    assert first and not first & second


def test_a_page_shows_every_run_with_its_figures_bounds_and_violations(runs: list[Recording], text: str) -> None:
    assert text.count("<section") == len(runs)
    assert "1 of 2 runs passed" in text
    (episode,) = runs[0].result.episodes
    for one in episode.comparisons:
        assert one.measured is not None and f"{one.measured:.1f} s" in text
        assert one.bound is not None and f"{one.bound.seconds:.1f} s" in text
    assert "machine-power-off on node0" in text
    assert "MAX_SECS_WAIT_FOR_REPLY_FROM_NODE" in text
    assert "node0 lacks 2 acknowledged rows: 150, 151" in text
    assert "&lt;synchronous&gt;" in text and "<synchronous>" not in text


def test_a_violation_with_a_time_is_dated_from_the_fault(runs: list[Recording]) -> None:
    result = runs[0].result
    violation = Violation(name="one primary", at=result.episodes[0].fault + 4, sentence="two", evidence=("a", "b"))
    changed = result.model_copy(update={"violations": (violation,), "passed": False})
    assert "(+4.0 s from the first fault)" in page([Recording(changed, runs[0].samples, runs[0].ledger)])


def test_an_expected_split_is_shown_and_not_called_a_violation(runs: list[Recording]) -> None:
    split = Violation(name="one primary", at=None, sentence="node0 and node4 both accepted writes", evidence=())
    result = runs[1].result.model_copy(update={"violations": (), "expected": (split,)})
    text = page([Recording(result, runs[1].samples, runs[1].ledger)])
    assert "no failure here" in text and "node0 and node4 both accepted writes" in text
    assert "<h3>Violated</h3>" not in text


def test_a_run_that_struck_nothing_or_more_than_once_is_drawn(runs: list[Recording]) -> None:
    (episode,) = runs[0].result.episodes
    for episodes in ((), (episode, episode.model_copy(update={"name": "second", "fault": episode.fault + 20}))):
        result = runs[0].result.model_copy(update={"episodes": episodes, "unmet": ("vip-moves: it stays",)})
        text = page([Recording(result, runs[0].samples, runs[0].ledger)])
        assert "vip-moves: it stays" in text
        assert ("20 s later" in text) == bool(episodes)


def test_the_report_of_a_folder_holds_the_runs_below_it(tmp_path: Path, runs: list[Recording]) -> None:
    assert build(tmp_path) is None
    files.save(tmp_path / "two-node-3", runs[0])
    found = build(tmp_path)
    assert found == tmp_path / "index.html"
    assert "3 host down" in found.read_text()
