"""What a person does by hand: breaks one thing, looks, mends it, goes back, and runs a scenario."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.live.beside import STACK, Checkout

pytestmark = [pytest.mark.two_nodes, pytest.mark.everything]

ON = ("--stack", STACK)


def reports(checkout: Checkout) -> list[Path]:
    return sorted((checkout.folder / "reports").glob("*/*/result.json"))


def test_a_fault_is_injected_seen_healed_and_rewound_and_a_scenario_is_run(neighbour: Checkout) -> None:
    neighbour.done("./lab", "snapshot", STACK)
    neighbour.done("./lab", "fault", "inject", *ON, "pgpool-stop", "node0")
    broken = neighbour.run("./lab", "status", STACK, "--json")
    assert broken.returncode == 1
    assert any("node0" in problem for problem in json.loads(broken.stdout)["problems"])
    assert "healed pgpool-stop on node0" in neighbour.done("./lab", "fault", "heal", *ON)
    neighbour.done("./lab", "rewind", STACK)
    assert "healthy" in neighbour.done("./lab", "status", STACK).splitlines()
    assert reports(neighbour) == []
    neighbour.done("./lab", "scenario", "run", *ON, "pgpool-stop-on-standby")
    [result] = reports(neighbour)
    assert json.loads(result.read_text())["passed"]
    assert (result.parent.parent / "index.html").is_file()
