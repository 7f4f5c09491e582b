"""Facts of nodes as `lab-node facts` gives them, for tests."""

from __future__ import annotations

from typing import Any

Facts = dict[str, Any]
Answers = dict[str, Facts | None]


def healthy(names: tuple[str, ...] = ("node0", "node4"), primary: str = "node0", leader: str = "node0") -> Answers:
    """Every node's facts in a healthy lab."""
    return {name: node_facts(name, names, primary, leader) for name in names}


def node_facts(name: str, names: tuple[str, ...], primary: str, leader: str) -> Facts:
    is_primary = name == primary
    return {
        "node": name,
        "postgres": {
            "data": "present",
            "running": True,
            "in_recovery": not is_primary,
            "timeline": 2,
            "lsn": "0/5000100" if is_primary else "0/5000000",
            "system_identifier": "7310000000000000001",
            "control_state": None,
            "streaming_from": None if is_primary else primary,
            "replicas": [],
            "history": [],
        },
        "pgpool": {
            "running": True,
            "watchdog_role": "LEADER" if name == leader else "STANDBY",
            "backends": [
                {"name": other, "status": "up", "role": "primary" if other == primary else "standby"} for other in names
            ],
        },
        "vip": name == leader,
    }


def a_witness(names: tuple[str, ...] = ("node0", "node4"), primary: str = "node0") -> Answers:
    """A witness's facts in a healthy lab."""
    facts = node_facts("witness", names, primary, leader=names[0])
    return {"witness": {key: value for key, value in facts.items() if key != "postgres"}}


def changed(answers: Answers, *path: str | int, to: object) -> Answers:
    """The same answers with one value set; the first part of the path is the node."""
    target: Any = answers
    for part in path[:-1]:
        target = target[part]
    target[path[-1]] = to
    return answers
