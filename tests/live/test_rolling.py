"""A change that takes new machines: `lab up` replaces them one after the other, and data and cluster stay."""

from __future__ import annotations

import re

import pytest

from pgpool_lab.settings.model import NodeSettings
from tests.live.beside import STACK, Checkout
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
def test_machines_are_replaced_one_after_the_other(lab: LiveLab, checkout: Checkout) -> None:
    psql = ("./lab", "psql", "--stack", STACK, "--", "-Atc")
    settings = checkout.paths.stack_file
    before = settings.read_text()
    names = [node.name for node in lab.nodes]
    try:
        checkout.done("./lab", "up", STACK)
        checkout.done(*psql, "CREATE TABLE kept AS SELECT 42 AS number")
        sizes = {name: memory_kib(checkout, name) for name in names}
        settings.write_text(with_more_memory(before))
        told = checkout.done("./lab", "up", STACK)
        assert "one after the other" in told, told
        assert all(memory_kib(checkout, name) > size for name, size in sizes.items())
        assert "healthy" in checkout.done("./lab", "status", STACK).splitlines()
        assert checkout.done(*psql, "SELECT number FROM kept").strip() == "42"
    finally:
        checkout.done("./lab", "down", STACK)
        settings.write_text(before)
