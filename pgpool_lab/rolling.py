"""Replacing the machines of a lab one after the other, which `lab up` does when the engine refuses to do it at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pgpool_lab.cluster.status import primaries

HOOK = "one-machine-at-a-time"
"""Name of the program's check, which the engine's error repeats."""

PARTS = ("", "-cloud-init-file", "-cloud-init", "-root", "-machine")
"""What makes a node's machine: the resources' names after the node's."""

TRUST = "**::ssh-mesh-trust-*"
"""Every node's files with the keys of all. A node's new keys are made anew after the engine has deleted the old ones
for the sake of its machine, and what depends on such a resource does not count as a dependent
(step_generator.go, generateStepsFromGoal(), "Case 1: recreating", which returns before it notes the target)."""

ONE_STEP_AT_A_TIME = ("--parallel", "1")
"""What is not targeted stays as it is, and with it what it depends on. Where the program has that no more, as an old
image, the engine takes it over with the first that depends on it and lets the others go on beside it
(step_generator.go, getDependencySteps): one of them may come before it in the state, which is refused from then on."""


def refused(events: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a run of the engine ended because it would have replaced several machines."""
    said = (event["diagnosticEvent"] for event in events if "diagnosticEvent" in event)
    return any(each["severity"] == "error" and HOOK in each["message"] for each in said)


def image_options() -> list[str]:
    """Options of `pulumi up` that make a new image, beside the old one, and nothing else."""
    return [*ONE_STEP_AT_A_TIME, "--target", "**::image-*"]


def node_options(*nodes: str) -> list[str]:
    """Options of `pulumi up` that replace these nodes' machines, and do what follows from that."""
    named = [word for node in nodes for part in PARTS for word in ("--target", f"**::{node}{part}")]
    return [*ONE_STEP_AT_A_TIME, *named, "--target", TRUST, "--target-dependents"]


def replaces(plan: Iterable[Mapping[str, Any]], node: str) -> bool:
    """Whether an update replaces that node's machine, from the steps that it would take."""
    return any("replace" in step["op"] and step["urn"].endswith(f":Domain::{node}") for step in plan)


def half_made(report: Mapping[str, Any], begun: Sequence[str], down: Sequence[str]) -> list[str]:
    """From a status document: which of the machines whose replacement was broken off are ended before the others.

    One that is up and serves nothing yet keeps the lab from being healthy, for which the others wait.
    """
    if report["healthy"]:
        return []
    return [name for name in begun if name not in down and name not in primaries(report)]


def order(report: Mapping[str, Any], compiles: str | None = None) -> tuple[list[str], list[str]]:
    """From a status document: the machines that are down, and the other nodes with the primary last.

    The node that `compiles` pgpool for the others goes before all that are up, primary or not: they get another pgpool
    from it, which it has only when it is replaced itself. A witness that is not down is left to the update that
    follows, which has no other machine to replace then.
    """
    witness = [report["witness"]] if "witness" in report else []
    down = [machine["name"] for machine in (*report["nodes"], *witness) if not machine["reachable"]]
    up = [node["name"] for node in report["nodes"] if node["reachable"]]
    last = primaries(report)
    return down, sorted(up, key=lambda name: (name != compiles, name in last))
