"""The claims by which a primary and a holder learn that they were replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pgpool_lab.node import replacement
from pgpool_lab.node.replacement import Claim, Sealing, packed

CLUSTER = bytes(range(8))
SEAL = Sealing("key", "lab-1", CLUSTER)
NODES = [{"name": "node0", "ip": "10.9.0.1"}, {"name": "node4", "ip": "10.9.0.2"}]


def on_timeline(data: Path, timeline: int) -> dict[str, Any]:
    """The configuration of node0, whose primary writes a timeline."""
    folder = data / "pg_wal"
    folder.mkdir()
    for number in range(1, timeline + 1):
        (folder / f"{number:08X}0000000000000007").touch()
        if number > 1:
            (folder / f"{number:08X}.history").touch()
    (data / "global").mkdir()
    (data / "global" / "pg_control").write_bytes(CLUSTER + b"and more")
    own = {"data_directory": str(data), "dialect": {"wal_folder": "pg_wal"}}
    return {"lab": "lab-1", "name": "node0", "nodes": NODES, "postgresql": own}


def test_a_claim_is_for_nodes_and_neither_for_a_witness_nor_the_gateway(tmp_path: Path) -> None:
    own, claim = on_timeline(tmp_path, 3), Claim(3, holder=True)
    said = replacement.claims(own, "key", claim, ["10.9.0.2", "10.9.0.3", "10.9.0.254"])
    assert said == {"10.9.0.2": packed(claim, SEAL, "node4")}
    assert len(said["10.9.0.2"]) % 2 == 0, "the Internet checksum takes pairs of bytes"
    assert replacement.claims(own, "key", Claim(), ["10.9.0.2"]) == {}, "a standby without the virtual IP"


NEWER = packed(Claim(3), SEAL, "node0")

PAYLOADS: dict[str, tuple[bytes, Claim]] = {
    "a primary": (NEWER, Claim(3)),
    "a holder": (packed(Claim(holder=True), SEAL, "node0"), Claim(holder=True)),
    "both": (packed(Claim(4, holder=True), SEAL, "node0"), Claim(4, holder=True)),
    "for another node": (packed(Claim(3), SEAL, "node4"), Claim()),
    "of another lab": (packed(Claim(3), SEAL._replace(lab="lab-2"), "node0"), Claim()),
    "of another cluster's data": (packed(Claim(3), SEAL._replace(cluster=bytes(8)), "node0"), Claim()),
    "with a stranger's key": (packed(Claim(3), SEAL._replace(key="other"), "node0"), Claim()),
    "another timeline put in": (
        replacement.HEAD.pack(replacement.MARK, 9, 0) + NEWER[replacement.HEAD.size :],
        Claim(),
    ),
    "another mark": (replacement.HEAD.pack(b"MARK", 3, 0) + NEWER[replacement.HEAD.size :], Claim()),
    "cut short": (NEWER[:-1], Claim()),
    "what ping(8) sends": (bytes(range(56)), Claim()),
    "next to nothing": (b"abc", Claim()),
}


@pytest.mark.parametrize(("payload", "expected"), PAYLOADS.values(), ids=PAYLOADS.keys())
def test_only_what_a_node_of_the_lab_has_signed_is_a_claim(payload: bytes, expected: Claim, tmp_path: Path) -> None:
    assert replacement.claimed(on_timeline(tmp_path, 2), "key", payload) == expected


@pytest.mark.parametrize("timeline", [1, 2])
def test_a_primary_knows_its_timeline_by_its_files(timeline: int, tmp_path: Path) -> None:
    assert replacement.own_timeline(on_timeline(tmp_path, timeline)) == timeline


def test_a_node_without_data_has_nothing_to_say_and_hears_nothing(tmp_path: Path) -> None:
    own = on_timeline(tmp_path, 1)
    own["postgresql"]["data_directory"] = str(tmp_path / "gone")
    assert replacement.own_timeline(own) == 0
    assert replacement.claims(own, "key", Claim(3), ["10.9.0.2"]) == {}
    assert replacement.claimed(own, "key", NEWER) == Claim()
