"""Fixtures of the live tests: a lab that is up, in whose network these tests run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from pgpool_lab import testing
from pgpool_lab.compatibility import documents
from pgpool_lab.engine import Engine
from pgpool_lab.harness.faults import Injector, Record
from pgpool_lab.harness.workload import table
from pgpool_lab.harness.workload.workload import Workload, running
from pgpool_lab.lab import Lab
from pgpool_lab.paths import LabPaths
from pgpool_lab.progress import end_when_told
from pgpool_lab.revision import commit
from pgpool_lab.settings.presets import preset_of
from pgpool_lab.versions.numbers import parse
from tests.live.beside import checkout, neighbour
from tests.live.evidence import pytest_runtest_makereport
from tests.live.lab import LiveLab
from tests.live.measured import pytest_configure, pytest_terminal_summary, reports, trials

__all__ = [
    "checkout",
    "neighbour",
    "pytest_configure",
    "pytest_runtest_makereport",
    "pytest_terminal_summary",
    "reports",
    "trials",
]


# Whoever ends pytest alone has it heal what it has broken.
end_when_told()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is so with a number of nodes, or with a witness, when the lab under test is not so.

    So is what the lab's PostgreSQL is too old for. What takes long is left out unless everything is asked for.
    """
    stack = os.environ.get("LAB_STACK")
    if stack is None:
        return
    settings = Lab(LabPaths(stack)).settings
    untrue = {
        "two_nodes": len(settings.nodes) != 2,
        "three_nodes": len(settings.nodes) != 3,
        "witness": not settings.witness,
        "everything": os.environ.get(testing.SCENARIOS) != "all",
    }
    version = parse(settings.postgresql.version)
    left_out = [
        item
        for item in items
        if any(item.get_closest_marker(marker) for marker, so in untrue.items() if so)
        or any(parse(marker.args[0]) > version for marker in item.iter_markers("since_postgresql"))
    ]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def lab() -> LiveLab:
    """The lab under test, from its stack's outputs."""
    stack = os.environ["LAB_STACK"]
    return LiveLab(Lab(LabPaths(stack)).outputs(), stack)


@pytest.fixture(scope="session", autouse=True)
def versions(lab: LiveLab, record_testsuite_property: Callable[[str, object], None]) -> None:
    """What is under test, for docs/compatibility.md."""
    outputs = lab.outputs
    tested = documents.Subject(
        stack=lab.stack,
        nodes=len(lab.nodes),
        preset=preset_of(outputs.timings),
        commit=commit(),
        **outputs.versions,
    )
    record_testsuite_property(documents.LAB, tested.model_dump_json())


UP = ("up", "--stack", os.environ.get("LAB_STACK", ""), "--yes", "--non-interactive", "--suppress-outputs")
"""What a person types, without the questions."""


@pytest.fixture(scope="session")
def engine(lab: LiveLab) -> Engine:
    """The engine on the lab's stack: plain `pulumi` commands."""
    return Lab(LabPaths(lab.stack)).engine()


@pytest.fixture
def ready(lab: LiveLab) -> LiveLab:
    """The lab as every scenario finds it, whatever the one before left."""
    Injector(lab, Record(lab.faults)).heal_all()
    lab.bring_back()
    return lab


CLIENT_SECONDS = 30
"""How long clients may take to get in when nothing is broken."""


@pytest.fixture
def workload(ready: LiveLab) -> Iterator[Workload]:
    """Clients that write and read through the virtual IP; their table is on every node when the scenario starts."""
    table.create_everywhere(ready.outputs)
    with running(Workload(ready.outputs.dsn, ready.outputs.credentials.superuser.password)) as clients:
        clients.wait_until_written(seconds=CLIENT_SECONDS)
        clients.wait_until_read(seconds=CLIENT_SECONDS)
        yield clients
