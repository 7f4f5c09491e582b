"""Labs of two, three and four nodes, each registered once with the recording engine."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from pgpool_lab.hypervisor import connection
from pgpool_lab.paths import LabPaths
from tests.program.engine import Recording, run_program


def configuration(nodes: int) -> dict[str, Any]:
    """A lab of so many nodes; the domain type is given, since `auto` starts a probe guest."""
    return {
        "network": {"cidr": "192.168.31.0/24", "vip": "192.168.31.139"},
        "nodes": [
            {"name": f"node{index}", "ip": f"192.168.31.{10 + index}", "mac": f"52:54:00:31:00:{10 + index}"}
            for index in range(nodes)
        ],
        "domain_type": "qemu",
    }


@pytest.fixture(scope="package", autouse=True)
def reachable_libvirt() -> Iterator[None]:
    """Nothing is built: there need not be any libvirt. Nor is a lab in the way that this checkout may have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "unreachable", lambda uri: "")
        patch.setenv("PULUMI_BACKEND_URL", f"file://{LabPaths('two-node').backend}")
        yield


@cache
def recorded(nodes: int) -> Recording:
    return run_program(configuration(nodes))


@pytest.fixture(params=[2, 3, 4], ids=["two-node", "three-node", "four-node"])
def size(request: pytest.FixtureRequest) -> int:
    nodes: int = request.param
    return nodes


@pytest.fixture
def lab(size: int) -> Recording:
    return recorded(size)
