"""A lab's status: from the nodes' facts to the document that `lab status --json` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pgpool_lab.cluster.client import Facts, members_facts, vip_mac
from pgpool_lab.cluster.outputs import LabOutputs, WitnessOutput
from pgpool_lab.node import health
from pgpool_lab.node.join import parse_lsn


def status(outputs: LabOutputs, stack: str) -> dict[str, Any]:
    """Ask every node, and the network who answers for the virtual IP."""
    answers, witness = members_facts(outputs)
    return document(outputs, stack, answers, vip_mac(outputs), witness=witness)


def document(
    outputs: LabOutputs,
    stack: str,
    answers: Mapping[str, Facts | None],
    mac: str | None,
    *,
    witness: Mapping[str, health.Facts | None] = health.NO_WITNESS,
) -> dict[str, Any]:
    """What `./lab status --json` prints, with the key `witness` where there is one."""
    members = {**answers, **witness}
    problems = health.problems(answers, witness=witness) + mac_problems(outputs, members, mac)
    primary = health.primaries(answers)
    written = answers[primary[0]] if len(primary) == 1 else None
    return {
        "stack": stack,
        "healthy": not problems,
        "problems": problems,
        "vip": {"address": outputs.vip, "holders": health.holders(members), "mac": mac},
        "nodes": [node_status(node.name, node.ip, answers[node.name], written) for node in outputs.nodes],
        **({"witness": witness_status(outputs.witness, witness[outputs.witness.name])} if outputs.witness else {}),
    }


def primaries(report: Mapping[str, Any]) -> list[str]:
    """Names of the nodes that a status document calls primary."""
    return [node["name"] for node in report["nodes"] if node["postgres"] and node["postgres"]["role"] == "primary"]


def way_out(report: Mapping[str, Any]) -> str:
    """The command that mends what a status document finds wrong."""
    witness = [report["witness"]] if "witness" in report else []
    answers = {each["name"]: each if each["reachable"] else None for each in witness}
    return health.way_out(report["problems"], answers, report["stack"])


def mac_problems(outputs: LabOutputs, answers: Mapping[str, health.Facts | None], mac: str | None) -> list[str]:
    """The machine that has the virtual IP must be the one that the network reaches by it."""
    if mac is None:
        return ["nobody answers for the virtual IP"]
    owner = next((machine.name for machine in outputs.machines if machine.mac == mac), mac)
    if owner not in health.holders(answers):
        return [f"{owner} answers for the virtual IP, which it does not hold"]
    return []


def witness_status(witness: WitnessOutput, facts: health.Facts | None) -> dict[str, Any]:
    """The witness's part of the document: a node's without PostgreSQL."""
    return {
        "name": witness.name,
        "ip": witness.ip,
        "reachable": facts is not None,
        "pgpool": facts["pgpool"] if facts else None,
    }


def node_status(name: str, ip: str, facts: Facts | None, primary: Facts | None) -> dict[str, Any]:
    """One node's part of the document."""
    if facts is None:
        return {"name": name, "ip": ip, "reachable": False, "postgres": None, "pgpool": None}
    postgres = facts["postgres"]
    roles = {True: "standby", False: "primary", None: None}
    lag = None
    if primary is not None and postgres["in_recovery"] and postgres["lsn"]:
        lag = max(0, parse_lsn(primary["postgres"]["lsn"]) - parse_lsn(postgres["lsn"]))
    return {
        "name": name,
        "ip": ip,
        "reachable": True,
        "postgres": {
            "running": postgres["running"],
            "role": roles[postgres["in_recovery"]],
            "timeline": postgres["timeline"],
            "lsn": postgres["lsn"],
            "lag_bytes": lag,
            "streaming_from": postgres["streaming_from"],
        },
        "pgpool": facts["pgpool"],
    }
