"""Settings that a running lab takes: nothing is built anew, the primary stays the primary, and rows stay."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from pgpool_lab.harness.timing import failover_seconds
from pgpool_lab.settings.model import WITNESS
from pgpool_lab.waiting import wait_for
from tests.live.beside import PSQL, STACK, Checkout
from tests.live.lab import LiveLab

pytestmark = [pytest.mark.everything, pytest.mark.two_nodes]


def change(checkout: Checkout, changes: dict[str, Any]) -> None:
    """What its operator does: other settings, then `./lab up`."""
    settings = checkout.paths.stack_file
    given = yaml.safe_load(settings.read_text())
    given["config"] |= {f"pgpool-lab:{key}": value for key, value in changes.items()}
    settings.write_text(yaml.safe_dump(given))
    checkout.done("./lab", "up", STACK)
    assert "healthy" in checkout.done("./lab", "status", STACK).splitlines()


def on(node: str, *command: str) -> tuple[str, ...]:
    """A command there, as root."""
    return ("./lab", "ssh", "--stack", STACK, node, "--", *command)


def boot_of(checkout: Checkout, node: str) -> str:
    """Which boot of its machine runs there."""
    return checkout.done(*on(node, "cat", "/proc/sys/kernel/random/boot_id"))


def test_replication_service_and_mesh_change_under_a_running_lab(lab: LiveLab, neighbour: Checkout) -> None:
    first, second = lab.nodes[0].name, lab.nodes[1].name
    pgpool = lab.nodes[1].services.pgpool
    neighbour.done(*PSQL, "CREATE TABLE kept AS SELECT 42 AS number")
    boots = [boot_of(neighbour, node) for node in (first, second)]
    assert neighbour.run(*on(first, "ssh", "-o", "BatchMode=yes", f"root@{second}", "true")).returncode == 0

    changes = {
        "postgresql": {"replication": "sync"},
        "pgpool": {"restart": "on-failure"},
        "ssh_mesh": "service",
    }
    change(neighbour, changes)

    standby = "SELECT application_name, sync_state IN ('sync', 'quorum') FROM pg_stat_replication"
    sql = f'runuser -u postgres -- psql -Atc "{standby}"'
    assert neighbour.done(*on(first, sql)).strip() == f"{second}|t", "the primary stays, and waits for its standby"
    assert neighbour.done(*PSQL, "SELECT number FROM kept").strip() == "42"
    assert [boot_of(neighbour, node) for node in (first, second)] == boots
    assert neighbour.run(*on(first, "ssh", "-o", "BatchMode=yes", f"root@{second}", "true")).returncode != 0

    neighbour.done(*on(second, "systemctl", "kill", "-s", "KILL", pgpool))
    wait_for(
        lambda: neighbour.run("./lab", "status", STACK).stdout.splitlines(),
        lambda told: "healthy" in told,
        seconds=failover_seconds(lab.outputs.timings),
        what="the lab is healthy again after pgpool was killed",
    )
    assert neighbour.done(*on(second, "systemctl", "show", "-P", "NRestarts", pgpool)).strip() == "1"


def test_a_running_lab_gets_a_witness_and_loses_it(lab: LiveLab, neighbour: Checkout) -> None:
    neighbour.done(*PSQL, "CREATE TABLE kept AS SELECT 42 AS number")
    boots = [boot_of(neighbour, node.name) for node in lab.nodes]
    for wanted in (True, False):
        change(neighbour, {"witness": wanted})
        status = neighbour.done("./lab", "status", STACK)
        assert (WITNESS in status) is wanted, status
        assert neighbour.done(*PSQL, "SELECT number FROM kept").strip() == "42"
        assert [boot_of(neighbour, node.name) for node in lab.nodes] == boots
