"""The word by which a primary learns that it was replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pgpool_lab.node import replacement
from pgpool_lab.node.replacement import Sealing, word

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


def test_a_primary_tells_nodes_and_neither_a_witness_nor_the_gateway(tmp_path: Path) -> None:
    own = on_timeline(tmp_path, 3)
    said = replacement.words(own, "key", ["10.9.0.2", "10.9.0.3", "10.9.0.254"])
    assert said == {"10.9.0.2": word(SEAL, "node4", 3)}
    assert len(said["10.9.0.2"]) % 2 == 0, "the Internet checksum takes pairs of bytes"


WORDS: dict[str, tuple[bytes, bool]] = {
    "a newer timeline": (word(SEAL, "node0", 3), True),
    "its own": (word(SEAL, "node0", 2), False),
    "an older one": (word(SEAL, "node0", 1), False),
    "another node": (word(SEAL, "node4", 3), False),
    "another lab": (word(SEAL._replace(lab="lab-2"), "node0", 3), False),
    "another cluster's data": (word(SEAL._replace(cluster=bytes(8)), "node0", 3), False),
    "a stranger's key": (word(SEAL._replace(key="other"), "node0", 3), False),
    "another timeline put in": (
        replacement.HEAD.pack(replacement.MARK, 9) + word(SEAL, "node0", 3)[replacement.HEAD.size :],
        False,
    ),
    "cut short": (word(SEAL, "node0", 3)[:-1], False),
    "what ping(8) sends": (bytes(range(56)), False),
    "next to nothing": (b"abc", False),
}


@pytest.mark.parametrize(("payload", "expected"), WORDS.values(), ids=WORDS.keys())
def test_a_primary_was_replaced_only_by_the_word_of_its_lab(payload: bytes, expected: bool, tmp_path: Path) -> None:
    assert replacement.replaced(on_timeline(tmp_path, 2), "key", payload) is expected


def test_a_primary_of_the_first_timeline_has_no_history(tmp_path: Path) -> None:
    assert replacement.own_timeline(on_timeline(tmp_path, 1)) == 1


def test_a_node_without_data_has_nothing_to_say_and_hears_nothing(tmp_path: Path) -> None:
    own = on_timeline(tmp_path, 1)
    own["postgresql"]["data_directory"] = str(tmp_path / "gone")
    assert replacement.words(own, "key", ["10.9.0.2"]) == {}
    assert replacement.replaced(own, "key", word(SEAL, "node0", 3)) is False
