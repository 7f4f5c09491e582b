"""Bringing a lab back to health by the project's own means, from whatever a scenario left, losing what diverged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pgpool_lab.cluster.client import Facts, all_facts, members_facts
from pgpool_lab.cluster.outputs import MachineOutput
from pgpool_lab.cluster.status import status
from pgpool_lab.errors import LabError
from pgpool_lab.harness.control import Control
from pgpool_lab.harness.faults.machines import wait_for_login
from pgpool_lab.harness.timing import RETURN_SECONDS
from pgpool_lab.node import health
from pgpool_lab.node.join import parse_lsn
from pgpool_lab.waiting import NotInTime, wait_for


def restore(control: Control) -> list[str]:
    """Machines up, one primary, everybody streaming from it, every pgpool agreeing; gives what had to be done.

    Roles stay where they are. Raises LabError when the rules of join refuse or it does not become healthy in time.
    """
    done = [f"{node.name}: {verb}" for node in control.outputs.machines if (verb := run_machine(control, node))]
    facts, witness = members_facts(control.outputs)
    if health.problems(facts, witness=witness):
        primary = most_advanced(facts, health.primaries(facts))
        rejoined = rejoin(control, facts, primary)
        done += rejoined
        # A rejoin has waited until the lab is healthy but for what was absent.
        if rejoined and status(control.outputs, "")["healthy"]:
            return done
        first = control.outputs.node(primary) if primary else control.outputs.nodes[0]
        control.agent(first, "start")
        done.append(f"{first.name}: start")
    wait_until_healthy(control)
    return done


def run_machine(control: Control, node: MachineOutput) -> str:
    """Let a machine run and take logins; the virsh verb that it took, empty for none."""
    verb = {"shut off": "start", "paused": "resume"}.get(control.machine_state(node), "")
    if verb:
        control.machine(node, verb)
    wait_for_login(control, node)
    return verb


def rejoin(control: Control, facts: Mapping[str, Facts | None], primary: str | None) -> list[str]:
    """Everybody follows the primary that is kept; gives what had to be done for it."""
    done = []
    for name in health.primaries(facts):
        if name != primary:
            # The rules of join touch nothing while there are two; the harness knows which one was cut off.
            control.agent(control.outputs.node(name), "local", "stop")
            done.append(f"{name}: stopped, {primary} is primary on a later timeline")
    for index, name in enumerate(followers(facts, primary)):
        # One that was not struck follows by itself, and a rejoin takes longer than asking again.
        if index and name not in followers(all_facts(control.outputs), primary):
            continue
        control.agent(control.outputs.node(name), "rejoin", name)
        done.append(f"{name}: rejoin")
    return done


def most_advanced(facts: Mapping[str, Facts | None], primaries: list[str]) -> str | None:
    """The primary with the latest timeline, then the highest position; None without one."""

    def position(name: str) -> tuple[int, int]:
        postgres = (facts[name] or {})["postgres"]
        return postgres["timeline"] or 0, parse_lsn(postgres["lsn"] or "0/0")

    return max(primaries, key=position, default=None)


def followers(facts: Mapping[str, Facts | None], primary: str | None) -> list[str]:
    """The nodes that have to be rejoined to the primary: all others that do not stream from it."""
    if primary is None:
        return []
    return [
        name
        for name, said in facts.items()
        if name != primary and (said is None or said["postgres"]["streaming_from"] != primary)
    ]


def wait_until_healthy(control: Control) -> dict[str, Any]:
    """Poll the status, which is returned. Raises LabError with what is wrong after RETURN_SECONDS."""
    report: dict[str, Any] = {}

    def problems() -> list[str]:
        report.update(status(control.outputs, ""))
        found: list[str] = report["problems"]
        return found

    try:
        wait_for(
            problems,
            lambda found: not found,
            seconds=RETURN_SECONDS,
            what="the lab is healthy",
            pause=1,
        )
    except NotInTime as error:
        raise LabError(str(error), "./lab status; ./lab rejoin NODE") from None
    return report
