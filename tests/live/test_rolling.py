"""A change that takes new machines: `lab up` replaces them one after the other, and data and cluster stay."""

from __future__ import annotations

import re

import pytest

from pgpool_lab.settings.model import NodeSettings
from tests.live.beside import PSQL, STACK, Checkout
from tests.live.lab import LiveLab


def memory_kib(checkout: Checkout, node: str) -> int:
    """What a machine has, as its kernel says it."""
    told = checkout.done("./lab", "ssh", "--stack", STACK, node, "--", "grep MemTotal /proc/meminfo")
    return int(told.split()[1])


def with_more_memory(settings: str) -> str:
    """A stack's settings with larger machines."""
    given = re.search(r" memory_mib: (\d+)", settings)
    more = int(given[1] if given else NodeSettings.model_fields["memory_mib"].default) + 32
    return re.sub(r" +memory_mib: \d+\n", "", settings).replace("      ip: ", f"      memory_mib: {more}\n      ip: ")


@pytest.mark.everything
@pytest.mark.two_nodes
def test_machines_are_replaced_one_after_the_other(lab: LiveLab, neighbour: Checkout) -> None:
    settings = neighbour.paths.stack_file
    names = [node.name for node in lab.nodes]
    neighbour.done(*PSQL, "CREATE TABLE kept AS SELECT 42 AS number")
    sizes = {name: memory_kib(neighbour, name) for name in names}
    settings.write_text(with_more_memory(settings.read_text()))
    told = neighbour.done("./lab", "up", STACK)
    assert "one after the other" in told, told
    assert all(memory_kib(neighbour, name) > size for name, size in sizes.items())
    assert "healthy" in neighbour.done("./lab", "status", STACK).splitlines()
    assert neighbour.done(*PSQL, "SELECT number FROM kept").strip() == "42"
