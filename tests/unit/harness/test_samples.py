"""Samples survive a file, and a line that is not one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from pgpool_lab.harness.samples import (
    BackendBelief,
    NodeSample,
    PgpoolSample,
    PostgresSample,
    Sample,
    VipSample,
    from_line,
    read,
    unreachable,
    write,
)

POSTGRES = PostgresSample(
    running=True, in_recovery=False, accepts_writes=True, timeline=2, lsn="0/5000100", streaming_from=None
)
NODE = NodeSample(
    node="node0",
    earliest=10.25,
    latest=10.5,
    wall=1700000000.5,
    reachable=True,
    holds_vip=True,
    postgres=POSTGRES,
    pgpool=PgpoolSample(
        running=True, watchdog_role="LEADER", backends=(BackendBelief(name="node4", status="up", role="standby"),)
    ),
)
VIP = VipSample(earliest=10.0, latest=10.1, wall=1700000000.0, mac="52:54:00:31:01:33")


def test_samples_written_to_a_file_are_read_back_the_same(tmp_path: Path) -> None:
    samples: list[Sample] = [NODE, VIP, unreachable("node4", earliest=1, latest=3, wall=5)]
    write(tmp_path / "samples.jsonl", samples)
    assert read(tmp_path / "samples.jsonl") == samples
    assert len((tmp_path / "samples.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    "line",
    ["", "{}", '{"kind": "vip", "earliest": 1}', '{"kind":"vip","earliest":1,"latest":1,"wall":1,"mac":null,"x":1}'],
)
def test_a_line_that_is_no_sample_is_refused(line: str) -> None:
    with pytest.raises(ValidationError):
        from_line(line)


def test_a_sample_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        NODE.node = "node4"


PRIMARIES = {
    "a running server out of recovery": ({}, True),
    "one that was not asked whether it takes writes": ({"accepts_writes": None}, True),
    "one that refuses writes": ({"accepts_writes": False}, False),
    "a standby": ({"in_recovery": True, "accepts_writes": False}, False),
    "one that did not say": ({"in_recovery": None}, False),
    "one that is stopped": ({"running": False}, False),
}


@pytest.mark.parametrize(("change", "expected"), PRIMARIES.values(), ids=PRIMARIES.keys())
def test_only_a_running_server_that_takes_writes_is_primary(change: dict[str, bool | None], expected: bool) -> None:
    assert POSTGRES.model_copy(update=change).is_primary is expected
