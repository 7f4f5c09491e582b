"""What the timeline of a run shows, as the figure has it before it is an SVG."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from pgpool_lab.harness.ledger import Read, Write
from pgpool_lab.harness.recording import Recording
from pgpool_lab.harness.report import picture
from tests.unit.harness.synthetic import recording

Parts = tuple[Axes, Axes, Axes]
"""Lanes, writes, reads."""


@pytest.fixture(scope="module")
def run() -> Recording:
    return recording()


@pytest.fixture(scope="module")
def parts(run: Recording) -> Parts:
    drawn: list[Figure] = []

    def keep(figure: Figure) -> str:
        drawn.append(figure)
        return ""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(picture, "svg", keep)
        picture.timeline(run)
    [figure] = drawn
    lanes, writes, reads = figure.axes
    return lanes, writes, reads


def lines(axes: Axes) -> list[tuple[float, str]]:
    """Where upright lines stand, and their style."""
    return [(float(numpy.ravel(line.get_xdata())[0]), str(line.get_linestyle())) for line in axes.lines]


def words(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts if text.get_text()]


def test_fault_and_repair_are_marked_through_all_parts(run: Recording, parts: Parts) -> None:
    (episode,) = run.result.episodes
    assert run.result.times.repair is not None
    repair = run.result.times.repair - episode.fault
    for axes in parts:
        assert lines(axes) == [(0.0, "-"), (pytest.approx(repair), "--")]
    assert {"fault", "repair"} <= set(words(parts[0]))


def test_there_is_a_lane_for_the_virtual_ip_and_one_for_each_node_s_role(run: Recording, parts: Parts) -> None:
    lanes = parts[0]
    assert [label.get_text() for label in lanes.get_yticklabels()] == ["virtual IP", *run.result.subject.macs]
    # Both nodes lead in turn, and what they are is written into their lanes.
    said = words(lanes)
    assert {"node0", "node4", "primary", "standby"} <= set(said), said


def counted(axes: Axes) -> dict[str, int]:
    """How many each kind of steps comes to."""
    found = {}
    for patch in axes.patches:
        assert isinstance(patch, StepPatch)
        values, _, baseline = patch.get_data()
        found[str(patch.get_label())] = int(sum(values - baseline))
    return found


def test_every_write_and_read_in_the_picture_is_counted_by_what_became_of_it(run: Recording, parts: Parts) -> None:
    _, begin, end = picture.shown(run.result)

    def expected(entries: Sequence[Read | Write], outcomes: tuple[str, ...]) -> dict[str, int]:
        moments = [(one.outcome, one.sent if one.done is None else one.done) for one in entries]
        return {kind: sum(begin <= at < end for outcome, at in moments if outcome == kind) for kind in outcomes}

    writes = expected(list(run.ledger.written("vip")), ("acknowledged", "unknown", "failed"))
    assert writes["acknowledged"] and writes["failed"]
    assert counted(parts[1]) == writes
    assert counted(parts[2]) == expected(list(run.ledger.reads), ("ok", "failed"))


def test_an_outage_has_its_length_in_words(run: Recording, parts: Parts) -> None:
    (episode,) = run.result.episodes
    outage = episode.measures.write_outage
    assert outage is not None and f"{outage.seconds:.1f} s" in words(parts[1])
