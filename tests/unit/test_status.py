"""The document that `lab status --json` prints: its shape, and what makes it unhealthy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pgpool_lab.cli import tables
from pgpool_lab.cluster.client import parse_arping
from pgpool_lab.cluster.outputs import LabOutputs
from pgpool_lab.cluster.status import document, way_out
from tests.unit import lab_outputs
from tests.unit.facts import Answers, a_witness, changed, healthy

OUTPUTS = LabOutputs.model_validate(lab_outputs.values())
MACS = {node.name: node.mac for node in OUTPUTS.nodes}


def status(answers: Answers, mac: str | None = MACS["node0"]) -> dict[str, Any]:
    return document(OUTPUTS, "two-node", answers, mac)


def test_a_healthy_lab_gives_exactly_this_document() -> None:
    backends = [
        {"name": "node0", "status": "up", "role": "primary"},
        {"name": "node4", "status": "up", "role": "standby"},
    ]
    assert json.loads(json.dumps(status(healthy()))) == {
        "stack": "two-node",
        "healthy": True,
        "problems": [],
        "vip": {"address": "192.168.31.139", "holders": ["node0"], "mac": "52:54:00:31:01:33"},
        "nodes": [
            {
                "name": "node0",
                "ip": "192.168.31.133",
                "reachable": True,
                "postgres": {
                    "running": True,
                    "role": "primary",
                    "timeline": 2,
                    "lsn": "0/5000100",
                    "lag_bytes": None,
                    "streaming_from": None,
                },
                "pgpool": {"running": True, "watchdog_role": "LEADER", "backends": backends},
            },
            {
                "name": "node4",
                "ip": "192.168.31.134",
                "reachable": True,
                "postgres": {
                    "running": True,
                    "role": "standby",
                    "timeline": 2,
                    "lsn": "0/5000000",
                    "lag_bytes": 256,
                    "streaming_from": "node0",
                },
                "pgpool": {"running": True, "watchdog_role": "STANDBY", "backends": backends},
            },
        ],
    }


def test_nodes_are_in_backend_order_whatever_the_order_of_the_answers() -> None:
    answers = dict(reversed(healthy().items()))
    assert [node["name"] for node in status(answers)["nodes"]] == ["node0", "node4"]


def test_a_silent_node_is_unreachable_and_nothing_is_said_of_it() -> None:
    found = status(changed(healthy(), "node4", to=None))
    assert found["nodes"][1] == {
        "name": "node4",
        "ip": "192.168.31.134",
        "reachable": False,
        "postgres": None,
        "pgpool": None,
    }
    assert found["problems"] == ["node4 cannot be reached"]
    assert found["healthy"] is False


@pytest.mark.parametrize(
    ("written", "received", "lag"),
    [
        ("0/5000100", "0/5000100", 0),
        ("0/5000100", "0/50000F0", 16),
        ("1/0", "0/FFFFFFFF", 1),
        # The primary was asked a moment earlier than the standby.
        ("0/5000000", "0/5000100", 0),
        ("0/5000000", None, None),
    ],
)
def test_lag_is_what_the_standby_has_not_received(written: str, received: str | None, lag: int | None) -> None:
    answers = changed(healthy(), "node0", "postgres", "lsn", to=written)
    answers = changed(answers, "node4", "postgres", "lsn", to=received)
    assert status(answers)["nodes"][1]["postgres"]["lag_bytes"] == lag


def test_there_is_no_lag_without_exactly_one_primary() -> None:
    for answers in (
        changed(healthy(), "node0", to=None),
        changed(healthy(), "node4", "postgres", "in_recovery", to=False),
    ):
        assert status(answers)["nodes"][1]["postgres"]["lag_bytes"] is None


@pytest.mark.parametrize(("in_recovery", "role"), [(True, "standby"), (False, "primary"), (None, None)])
def test_the_role_is_what_postgresql_says(in_recovery: bool | None, role: str | None) -> None:
    answers = changed(healthy(), "node4", "postgres", "in_recovery", to=in_recovery)
    assert status(answers)["nodes"][1]["postgres"]["role"] == role


def test_a_stopped_pgpool_makes_the_lab_unhealthy() -> None:
    answers = changed(healthy(), "node4", "pgpool", to={"running": False, "watchdog_role": None, "backends": []})
    found = status(answers)
    assert (found["healthy"], found["problems"]) == (False, ["pgpool is not running on node4"])
    assert found["nodes"][1]["pgpool"]["running"] is False


@pytest.mark.parametrize(
    ("mac", "expected"),
    [
        (MACS["node0"], []),
        (None, ["nobody answers for the virtual IP"]),
        (MACS["node4"], ["node4 answers for the virtual IP, which it does not hold"]),
        ("52:54:00:ff:ff:ff", ["52:54:00:ff:ff:ff answers for the virtual IP, which it does not hold"]),
    ],
    ids=["holder", "nobody", "another node", "a stranger"],
)
def test_the_network_must_reach_the_holder(mac: str | None, expected: list[str]) -> None:
    found = status(healthy(), mac)
    assert (found["problems"], found["healthy"]) == (expected, not expected)
    assert found["vip"]["mac"] == mac


def test_the_holder_may_be_apart_from_the_primary() -> None:
    found = status(healthy(leader="node4"), MACS["node4"])
    assert (found["healthy"], found["vip"]["holders"]) == (True, ["node4"])


WITH_WITNESS = LabOutputs.model_validate(lab_outputs.values() | {"witness": lab_outputs.witness()})


def test_a_witness_has_a_key_of_its_own() -> None:
    found = document(WITH_WITNESS, "lab", healthy(), MACS["node0"], witness=a_witness())
    assert (found["problems"], [node["name"] for node in found["nodes"]]) == ([], ["node0", "node4"])
    assert found["witness"] == {
        "name": "witness",
        "ip": "192.168.31.2",
        "reachable": True,
        "pgpool": {
            "running": True,
            "watchdog_role": "STANDBY",
            "backends": [
                {"name": "node0", "status": "up", "role": "primary"},
                {"name": "node4", "status": "up", "role": "standby"},
            ],
        },
    }
    assert "witness" not in status(healthy())


def test_a_silent_witness_makes_the_lab_unhealthy() -> None:
    found = document(WITH_WITNESS, "lab", healthy(), MACS["node0"], witness={"witness": None})
    assert (found["healthy"], found["problems"]) == (False, ["witness cannot be reached"])
    assert found["witness"] == {"name": "witness", "ip": "192.168.31.2", "reachable": False, "pgpool": None}
    assert way_out(found) == "./lab up lab"


def test_a_witness_that_has_the_virtual_ip_is_named() -> None:
    answers = changed(healthy(), "node0", "vip", to=False)
    witness = changed(a_witness(), "witness", "vip", to=True)
    found = document(WITH_WITNESS, "lab", answers, WITH_WITNESS.machine("witness").mac, witness=witness)
    assert found["vip"]["holders"] == ["witness"]
    assert "witness holds the virtual IP, a witness that can serve nobody" in found["problems"]
    taken = document(WITH_WITNESS, "lab", healthy(), WITH_WITNESS.machine("witness").mac, witness=a_witness())
    assert taken["problems"] == ["witness answers for the virtual IP, which it does not hold"]


@pytest.mark.parametrize(
    ("witness", "cells"),
    [
        (a_witness(), ["witness", "192.168.31.2", "", "none", "", "", "standby", "node0 primary up, node4 standby up"]),
        ({"witness": None}, ["witness", "192.168.31.2", "", "none", "", "", "unreachable", ""]),
    ],
    ids=["it answers", "it is silent"],
)
def test_the_table_has_a_line_for_the_witness(witness: Answers, cells: list[str]) -> None:
    report = document(WITH_WITNESS, "lab", healthy(), None, witness=witness)
    assert tables.witness_row(report["witness"], report["vip"]["holders"]) == cells


REPLY = """\
ARPING 192.168.31.139 from 192.168.31.1 lab0
Unicast reply from 192.168.31.139 [52:54:00:31:01:3A]  0.912ms
Sent 1 probes (1 broadcast(s))
Received 1 response(s)
"""
SILENCE = """\
ARPING 192.168.31.139 from 192.168.31.1 lab0
Sent 2 probes (2 broadcast(s))
Received 0 response(s)
"""


@pytest.mark.parametrize(
    ("text", "mac"), [(REPLY, "52:54:00:31:01:3a"), (SILENCE, None), ("", None)], ids=["reply", "silence", "nothing"]
)
def test_arping_tells_who_answers_in_the_spelling_of_the_outputs(text: str, mac: str | None) -> None:
    assert parse_arping(text) == mac
