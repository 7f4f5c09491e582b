"""Sabotage of a running lab behind the harness's back, through ssh, SQL and the hypervisor, while a scenario runs.

The one thing that the saboteur takes from the harness is when to act: it listens to the lines that a run tells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pgpool_lab.cluster.outputs import NodeOutput
from pgpool_lab.harness.control import Control
from pgpool_lab.harness.result import Result
from pgpool_lab.harness.scenarios.model import Scenario
from pgpool_lab.harness.scenarios.runner import RESTORING, WATCHING
from pgpool_lab.harness.scenarios.stage import roles


@dataclass(frozen=True)
class Ground:
    """A healthy lab before it is sabotaged."""

    control: Control
    primary: NodeOutput
    """Holds the virtual IP as well: every scenario here begins so."""
    standbys: tuple[NodeOutput, ...]


@dataclass(frozen=True)
class Sabotage:
    """One way to break a lab, and how the harness must give it away."""

    scenario: Scenario
    """It begins with a watch, at whose beginning the sabotage strikes."""
    strike: Callable[[Ground], None]
    mend: Callable[[Ground], None]
    """Take it back before the lab is restored; nothing happens where there is nothing to take back."""
    finding: str
    """Name of the invariant that is violated, or of the expectation that is not met."""
    named: Callable[[Ground], set[str]]
    """Names of the nodes that the finding's sentence must have."""
    postgresql: str = "9.4"
    """The oldest version that it can be done to."""


class Saboteur:
    """Strikes once, when a run lets time pass, and mends before the run restores the lab.

    It is what a run tells its lines to; `pass_on` gets them as well.
    """

    def __init__(self, control: Control, sabotage: Sabotage, pass_on: Callable[[str], None]) -> None:
        self._control, self._sabotage, self._pass_on = control, sabotage, pass_on
        self._struck = self._mended = False
        self.ground: Ground | None = None
        """What was sabotaged; None before."""

    def __call__(self, line: str) -> None:
        self._pass_on(line)
        if line.startswith(WATCHING) and not self._struck:
            self.ground = ground_of(self._control)
            self._struck = True
            self._pass_on(f"sabotage: {self._sabotage.scenario.sentence}")
            self._sabotage.strike(self.ground)
        elif line.startswith(RESTORING):
            self.mend()

    def mend(self) -> None:
        """Take back what was done and not taken back yet."""
        if self.ground is not None and not self._mended:
            self._sabotage.mend(self.ground)
            self._mended = True


def ground_of(control: Control) -> Ground:
    """Who is what on a healthy lab. Raises LabError on another."""
    _, primary = roles(control)
    nodes = control.outputs.nodes
    return Ground(control, control.outputs.node(primary), tuple(node for node in nodes if node.name != primary))


def findings(result: Result) -> list[tuple[str, str]]:
    """Everything that a run found wrong: name of the invariant or expectation, and the sentence."""
    unmet = [(name, sentence) for name, _, sentence in (line.partition(": ") for line in result.unmet)]
    return [*((violation.name, violation.sentence) for violation in result.violations), *unmet]


def given_away(result: Result, finding: str, named: set[str]) -> bool:
    """Whether a run found what it had to, in a sentence that names all these nodes."""
    return any(name == finding and named <= words(sentence) for name, sentence in findings(result))


def words(sentence: str) -> set[str]:
    return set(sentence.replace(",", " ").replace(":", " ").split())
