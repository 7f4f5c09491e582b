"""The timeline of one run as SVG: who answers for the virtual IP, each node's role, what clients got.

Colours are Okabe and Ito's, which colour-blind readers can tell apart; what isn't there is hatched, and every stretch
that is wide enough has its name in it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from pgpool_lab.harness.ledger import Entry
from pgpool_lab.harness.measures import Gap
from pgpool_lab.harness.recording import Recording
from pgpool_lab.harness.report import lanes
from pgpool_lab.harness.report.lanes import Stretch
from pgpool_lab.harness.result import Result

BLUE, SKY, ORANGE, GREEN = "#0072B2", "#A6D8F5", "#E69F00", "#009E73"
VERMILLION, PURPLE, GREY, PALE, INK = "#D55E00", "#CC79A7", "#C8C8C8", "#F7F7F7", "#222222"

LOOKS: dict[str, tuple[str, str, str]] = {
    lanes.PRIMARY: (BLUE, "white", ""),
    lanes.STANDBY: (SKY, INK, ""),
    lanes.STOPPED: (GREY, INK, ""),
    lanes.SILENT: (PALE, INK, "----"),
    lanes.UNREACHABLE: (PALE, INK, "////"),
}
"""By state: colour, colour of the name in it, hatch."""

AROUND_SECONDS = 15.0
"""Shown before the fault and after the repair began."""
SHORTEST_SECONDS = 1.0
"""A shorter outage is a pause between two attempts; it stands in the table only."""
LANE = 0.72
WIDTH_INCHES = 11.0
LETTER_SECONDS = 0.0085
"""Width of a letter as a part of what is shown; a name that doesn't fit is left out."""


def timeline(recording: Recording) -> str:
    """One run's timeline: an `<svg>` element that can stand in a page beside others."""
    subject = recording.result.subject
    zero, begin, end = shown(recording.result)
    nodes = list(subject.macs)
    # Identifiers are made from the salt: two pictures in one page must not share them.
    salt = f"{subject.stack} {subject.scenario} {recording.result.times.wall}"
    with matplotlib.rc_context(
        {
            "svg.hashsalt": salt,
            "font.size": 9,
            "hatch.color": "#999999",
            "hatch.linewidth": 0.6,
            "axes.edgecolor": "#888888",
        }
    ):
        figure = Figure(figsize=(WIDTH_INCHES, 2.9 + 0.42 * (len(nodes) + 1)), layout="constrained")
        heights = [0.42 * (len(nodes) + 1), 0.95, 0.6]
        top, writes, reads = figure.subplots(3, 1, sharex=True, height_ratios=heights)
        draw_lanes(top, recording, begin, end)
        draw_writes(writes, recording, begin, end)
        draw_reads(reads, recording, begin, end)
        for axes in (top, writes, reads):
            for moment, _, colour, style in marks(recording.result):
                axes.axvline(moment, color=colour, lw=1.4, ls=style)
        for moment, word, colour, _ in marks(recording.result):
            top.text(moment, -0.56, word, ha="center", va="bottom", color=colour, weight="bold")
        reads.set_xlim(begin - zero, end - zero)
        reads.set_xlabel("seconds since the first fault")
        return svg(figure)


def draw_lanes(axes: Axes, recording: Recording, begin: float, end: float) -> None:
    """One lane for the virtual IP, one for each node, the first node on top."""
    subject, (zero, *_) = recording.result.subject, shown(recording.result)
    names = ["virtual IP", *subject.macs]
    for index, name in enumerate(names[1:], start=1):
        for stretch in clipped(lanes.roles(recording.samples, name, end), begin):
            colour, ink, hatch = LOOKS[stretch.state]
            bar(axes, stretch, zero, index, LANE, colour, hatch)
            label(axes, stretch, zero, index, stretch.state, ink, colour, end - begin)
        for stretch in clipped(lanes.holdings(recording.samples, name, end), begin):
            bar(axes, stretch, zero, index + LANE / 2 - 0.09, 0.18, ORANGE, "")
    for stretch in clipped(lanes.answers(recording.samples, subject.macs, end), begin):
        known = stretch.state in subject.macs
        colour = ORANGE if known else VERMILLION if stretch.state else PALE
        bar(axes, stretch, zero, 0, LANE, colour, "" if stretch.state else "////")
        label(axes, stretch, zero, 0, stretch.state or "nobody answers", INK, colour, end - begin)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines[:].set_visible(False)
    key = [Patch(facecolor=LOOKS[name][0], edgecolor="#999999", hatch=LOOKS[name][2], label=name) for name in LOOKS]
    key.append(Patch(facecolor=ORANGE, label="has the virtual IP"))
    axes.legend(handles=key, ncols=len(key), loc="lower left", bbox_to_anchor=(0, 1.12), frameon=False, borderpad=0)


def draw_writes(axes: Axes, recording: Recording, begin: float, end: float) -> None:
    """Rows a second through the virtual IP by what became of them, and the longest outage."""
    looks = {"acknowledged": (GREEN, ""), "unknown": (PURPLE, "xxxx"), "failed": (VERMILLION, "////")}
    parts = [
        (name, [write for write in recording.ledger.written("vip") if write.outcome == name], colour, hatch)
        for name, (colour, hatch) in looks.items()
    ]
    draw_steps(axes, parts, recording, begin, end)
    axes.set_ylabel("writes / s")
    draw_gaps(axes, recording.result, "write_outage")


def draw_reads(axes: Axes, recording: Recording, begin: float, end: float) -> None:
    """Reads a second by what became of them."""
    looks = {"ok": (SKY, ""), "failed": (VERMILLION, "////")}
    parts = [
        (name, [read for read in recording.ledger.reads if read.outcome == name], colour, hatch)
        for name, (colour, hatch) in looks.items()
    ]
    draw_steps(axes, parts, recording, begin, end)
    axes.set_ylabel("reads / s")
    draw_gaps(axes, recording.result, "read_outage")


def draw_steps(
    axes: Axes,
    parts: Iterable[tuple[str, Sequence[Entry], str, str]],
    recording: Recording,
    begin: float,
    end: float,
) -> None:
    """Stacked steps of one second; an attempt counts when its outcome was known."""
    zero, *_ = shown(recording.result)
    below = [0] * len(lanes.per_second([], begin, end))
    for name, entries, colour, hatch in parts:
        moments = [entry.sent if entry.done is None else entry.done for entry in entries]
        counts = lanes.per_second(moments, begin, end)
        edges = [begin - zero + second for second in range(len(counts) + 1)]
        top = [low + count for low, count in zip(below, counts, strict=True)]
        axes.stairs(
            top, edges, baseline=below, fill=True, facecolor=colour, hatch=hatch, edgecolor="white", lw=0, label=name
        )
        below = top
    axes.spines[["top", "right"]].set_visible(False)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    axes.set_ylim(0, 1.45 * max(1, *below))
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.05), frameon=False, handlelength=1.2)


def draw_gaps(axes: Axes, result: Result, name: str) -> None:
    """Each episode's outage as a span with its length in words."""
    zero, *_ = shown(result)
    top = axes.get_ylim()[1]
    for episode in result.episodes:
        gap: Gap | None = getattr(episode.measures, name)
        if gap is None or gap.seconds < SHORTEST_SECONDS:
            continue
        begin, end = gap.begin - zero, gap.end - zero
        arrow = {"arrowstyle": "<->", "color": INK, "lw": 1}
        axes.annotate("", (end, 0.75 * top), (begin, 0.75 * top), arrowprops=arrow)
        words = f"{gap.seconds:.1f} s" if gap.over else f"{gap.seconds:.1f} s, not over"
        axes.text((begin + end) / 2, 0.78 * top, words, ha="center", va="bottom", color=INK, weight="bold")


def shown(result: Result) -> tuple[float, float, float]:
    """Where the timeline's zero lies, and its ends: the faults with some time around them."""
    times = result.times
    zero = min((episode.fault for episode in result.episodes), default=times.begin)
    last = max([*(episode.end for episode in result.episodes), times.repair or zero])
    return zero, max(times.begin, zero - AROUND_SECONDS), min(times.end, last + AROUND_SECONDS)


def marks(result: Result) -> list[tuple[float, str, str, str]]:
    """The moments that are marked: seconds since the first fault, a word, colour, line style."""
    zero, _, end = shown(result)
    found = [(episode.fault - zero, "fault", VERMILLION, "solid") for episode in result.episodes]
    if result.times.repair is not None and result.times.repair < end:
        found.append((result.times.repair - zero, "repair", INK, "dashed"))
    return found


def bar(axes: Axes, stretch: Stretch, zero: float, middle: float, height: float, colour: str, hatch: str) -> None:
    """One stretch in a lane."""
    axes.broken_barh(
        [(stretch.begin - zero, stretch.end - stretch.begin)],
        (middle - height / 2, height),
        facecolor=colour,
        hatch=hatch,
        edgecolor="#999999" if hatch else "none",
        lw=0,
    )


def label(
    axes: Axes, stretch: Stretch, zero: float, middle: float, text: str, ink: str, colour: str, width: float
) -> None:
    """A stretch's name, where it fits in a picture of `width` seconds."""
    if stretch.end - stretch.begin < LETTER_SECONDS * len(text) * width:
        return
    box = (
        {"boxstyle": "round,pad=0.15", "fc": PALE, "ec": "none"} if ink == INK and not text.strip().isalnum() else None
    )
    centre = (stretch.begin + stretch.end) / 2 - zero
    axes.text(centre, middle, text, ha="center", va="center", color=ink, fontsize=8, bbox=box, zorder=5)


def clipped(found: Iterable[Stretch], begin: float) -> list[Stretch]:
    """Stretches as far as they lie after `begin`."""
    return [Stretch(max(begin, one.begin), one.end, one.state) for one in found if one.end > begin]


def svg(figure: Figure) -> str:
    """A figure's `<svg>` element, without the XML head that can't stand in a page."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]
