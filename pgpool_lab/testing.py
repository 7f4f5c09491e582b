"""`lab test`: the tests that need no lab first, then the live ones on each stack that they are chosen for.

The live ones run inside the lab's network.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from xml.etree import ElementTree

from pgpool_lab import hypervisor, machine
from pgpool_lab.errors import LabError
from pgpool_lab.harness.control import Control
from pgpool_lab.harness.faults import Injector, Record
from pgpool_lab.lab import Lab, refuse_given_outputs
from pgpool_lab.occupation import occupied
from pgpool_lab.paths import PROJECT, LabPaths
from pgpool_lab.progress import console, fail, foreground
from pgpool_lab.waiting import factor

STACKS = ("two-node", "three-node")
"""The stacks whose live tests are run for every change."""

EVERY_STACK = (*STACKS, "two-node-witness")
"""All stacks that have live tests and take nothing that has to be given."""

WITHOUT_LAB: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # As many at once as there are processors: the program's tests, and the plugin's all the more, wait for an engine.
    "without-lab": (("tests/unit", "tests/program"), ("-n", "auto")),
    "plugin": (("tests/plugin",), ("-n", "auto")),
}
"""What needs no lab, by the name of its report: folders, and options of pytest."""

LIVE = ("tests/live",)

FOLDERS = (*(folder for folders, _ in WITHOUT_LAB.values() for folder in folders), *LIVE)
"""All folders of tests."""

REPORTS = "LAB_REPORTS"
"""Variable with the folder that the live tests report into."""

SCENARIOS = "LAB_SCENARIOS"
"""Variable with the scenarios that the live tests measure: `chosen`, or `all` that fit."""

ALL = "--all"
"""The option for every stack, and every scenario that fits it, not only the chosen ones."""

COMMAND_PLUGIN = "COMMAND_PLUGIN"
"""Variable with the command plugin that its tests drive instead of the toolchain's: its binary or its archive."""

NO_TESTS = 5
"""pytest's exit code where the options choose no test."""

WOULD_RUN = 42
"""Exit code of the plugin that only asks where they choose some; none of pytest's own."""

MESSAGE_LENGTH = 500
"""Characters of what a failed test said, in the list at the end."""


@dataclass(frozen=True)
class Chosen:
    """What the command line asks for."""

    stacks: tuple[str, ...]
    everything: bool
    options: tuple[str, ...]
    """pytest's."""


def chosen_by(arguments: Sequence[str]) -> Chosen:
    """Stacks and ALL, then what follows `--` (or starts with another dash) for pytest."""
    words = list(arguments)
    cut = next((index for index, word in enumerate(words) if word.startswith("-") and word != ALL), len(words))
    own, rest = words[:cut], words[cut:]
    return Chosen(
        stacks=tuple(word for word in own if word != ALL),
        everything=ALL in own,
        options=tuple(rest[1:] if rest[:1] == ["--"] else rest),
    )


def run(arguments: Sequence[str]) -> int:
    """Run everything, or the live tests of the named stacks; exit code 0 only when all of it passed.

    Reports go to `reports/TIME/`.
    """
    chosen = chosen_by(arguments)
    stacks, options = chosen.stacks, chosen.options
    refuse_given_outputs()
    factor()  # Raises LabError now, and not in every test.
    plugin = given_plugin(os.environ.get(COMMAND_PLUGIN))
    for stack in stacks:
        if not LabPaths(stack).stack_file.is_file():
            raise LabError(f"there is no stack {stack!r}", "see stacks/; arguments for pytest come after --")
    asked_for = stacks or (EVERY_STACK if chosen.everything else STACKS)
    # Before anything is started: a wrong option is found out here.
    answers = [(stack, answer(stack, chosen) if options else WOULD_RUN) for stack in asked_for]
    remaining = [stack for stack, code in answers if code == WOULD_RUN]
    reports = new_report_folder()
    if not stacks:
        # Some tests that need no lab use what one is made with.
        machine.install(reports / "packages.log")
    try:
        codes = [
            pytest(folders, (*own, *options), reports / f"{name}.xml", prefix=[], extra=plugin)
            for name, (folders, own) in ({} if stacks else WITHOUT_LAB).items()
        ]
        codes += [code for _, code in answers if code != WOULD_RUN]
        while remaining:
            codes.append(live(remaining.pop(0), chosen, reports, last=not remaining))
    finally:
        # The parts print theirs far above, and one lab's removal comes between.
        for failure in failures(reports):
            console.print(failure, markup=False, highlight=False)
    console.print(f"reports: {reports.relative_to(PROJECT)}")
    return verdict(codes, narrowed=bool(options))


def given_plugin(file: str | None) -> dict[str, str]:
    """COMMAND_PLUGIN for tests that run in another folder; nothing where it is not set. Raises LabError."""
    if not file:
        return {}
    if not Path(file).is_file():
        raise LabError(f"{COMMAND_PLUGIN}={file}: there is no such file", "name the plugin's binary or its archive")
    return {COMMAND_PLUGIN: str(Path(file).absolute())}


def verdict(codes: Sequence[int], *, narrowed: bool) -> int:
    """0 only when tests ran, and all of them passed. Of some parts options may choose none (`narrowed`), not of all.

    `codes` are pytest's, by part; what a signal ended has a negative one.
    """
    ran = [code for code in codes if not (narrowed and code == NO_TESTS)]
    if not ran:
        console.print("no test was chosen: see the options after --")
    return 0 if ran and not any(ran) else 1


def failures(reports: Path) -> list[str]:
    """Every test of these reports that failed: its part and name, then what was wrong with it, shortened."""
    return [
        f"FAILED {report.stem}: {case.get('classname')}::{case.get('name')}\n"
        f"  {shorten(verdict.get('message') or '', MESSAGE_LENGTH, placeholder=' …')}"
        for report in sorted(reports.glob("*.xml"))
        for case in ElementTree.parse(report).iter("testcase")
        for verdict in case
        if verdict.tag in ("failure", "error")
    ]


def new_report_folder() -> Path:
    """A folder for what one command reports, named after the time; of two in the same second the later has a number."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    number = 1
    while True:
        folder = PROJECT / "reports" / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return folder


def live(stack: str, chosen: Chosen, reports: Path, *, last: bool) -> int:
    """The live tests on one stack, which is brought up first.

    A lab that was not there before is removed again unless it is the `last`: two would share the machine's processors.
    """
    lab = Lab(LabPaths(stack))
    was_there = lab.paths.root.exists()
    with occupied(lab.paths):
        started = time.monotonic()
        lab.up()
        console.print(f"lab {stack} is up after {time.monotonic() - started:.0f} s")
        code = pytest(
            LIVE,
            chosen.options,
            reports / f"live-{stack}.xml",
            prefix=hypervisor.enter(lab.paths),
            extra={**variables(stack, chosen), REPORTS: str(reports)},
        )
        code = heal(lab) or code
        if not (was_there or last):
            lab.down()
    return code


def heal(lab: Lab) -> int:
    """Take back what tests that were killed left broken: they heal by themselves however else they end.

    1 where that could not be done, which is told.
    """
    record = Record(lab.paths.faults)
    try:
        if record.entries():
            for entry in Injector(Control(lab.outputs()), record).heal_all():
                console.print(f"healed {entry.fault} on {entry.node}, which the tests left")
    except LabError as error:
        return fail(error)
    return 0


def variables(stack: str, chosen: Chosen) -> dict[str, str]:
    """What the choice of the live tests depends on, beside pytest's options."""
    return {"LAB_STACK": stack, SCENARIOS: "all" if chosen.everything else "chosen"}


def answer(stack: str, chosen: Chosen) -> int:
    """WOULD_RUN where pytest's options choose live tests to be run on a stack, NO_TESTS where they choose none.

    pytest is asked, which needs no lab. Where it was only to tell something, a list of the tests or its help, that is
    shown: 0. Raises LabError where it complains.
    """
    question = ("-p", "pgpool_lab.would_run", *only(LIVE), *chosen.options)
    command = [sys.executable, "-m", "pytest", *question]
    environment = {**os.environ, **variables(stack, chosen)}
    asked = subprocess.run(
        command, cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if asked.returncode not in (WOULD_RUN, NO_TESTS):
        print(f"{asked.stdout}{asked.stderr}", end="", flush=True)
    if asked.returncode not in (WOULD_RUN, NO_TESTS, 0):
        raise LabError(
            f"pytest does not take {shlex.join(chosen.options)} for the stack {stack}: see above",
            "correct what comes after --; where it names a test that not every stack has, name the stack before it",
        )
    return asked.returncode


def only(folders: Sequence[str]) -> list[str]:
    """Options of pytest that leave out the tests of all other folders, named by path or not."""
    others = [folder for folder in FOLDERS if folder not in folders]
    # What is ignored is not even read, unless it is named.
    return [option for other in others for option in (f"--ignore={other}", f"--deselect={other}/")]


def pytest(
    folders: Sequence[str], options: Sequence[str], report: Path, *, prefix: Sequence[str], extra: Mapping[str, str]
) -> int:
    """One pytest run with the durations that matter, of the tests of these folders that the options choose."""
    own = [*only(folders), "--durations=15", f"--junitxml={report}"]
    command = [*prefix, sys.executable, "-m", "pytest", *own, *options]
    return foreground(command, cwd=PROJECT, environment={**os.environ, **extra})
