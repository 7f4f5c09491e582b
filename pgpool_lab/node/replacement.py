"""The word of a new primary to one that it has not heard: another was promoted. It travels in the echo requests to it.

The fence cannot reach a machine that stands still, or is cut off. When that comes back it goes on as the primary that
it was, and nothing on it shows that time has passed.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .facts import last_timeline, wal_folder

MARK = b"PRIM"
HEAD = struct.Struct("!4sI")
"""The mark and the timeline of who is primary; a signature follows."""


class Sealing(NamedTuple):
    """What a word is signed with: it is only for nodes of the same lab, with data of the same cluster."""

    key: str
    lab: str
    cluster: bytes
    """The system identifier."""


def sealing(config: Mapping[str, Any], key: str) -> Sealing:
    """This node's. Raises OSError where it has no data."""
    control = Path(config["postgresql"]["data_directory"], "global", "pg_control")
    with control.open("rb") as stream:
        # The first field of ControlFileData (src/include/catalog/pg_control.h), in every version.
        return Sealing(key, config["lab"], stream.read(8))


def word(seal: Sealing, to: str, timeline: int) -> bytes:
    """Tells the node `to` that there is a primary on `timeline`."""
    head = HEAD.pack(MARK, timeline)
    return head + hmac.digest(seal.key.encode(), head + seal.cluster + f"{seal.lab} {to}".encode(), "sha256")


def told(payload: bytes, seal: Sealing, to: str) -> int:
    """The timeline that a word tells `to` of; 0 for what is no word, or not for this node."""
    if len(payload) < HEAD.size:
        return 0
    timeline: int = HEAD.unpack(payload[: HEAD.size])[1]
    return timeline if hmac.compare_digest(payload, word(seal, to, timeline)) else 0


def words(config: Mapping[str, Any], key: str, addresses: Collection[str]) -> dict[str, bytes]:
    """What this node, a primary, tells the nodes at some addresses, by their addresses."""
    names = {node["ip"]: node["name"] for node in config["nodes"]}
    try:
        seal, timeline = sealing(config, key), own_timeline(config)
    except OSError:
        return {}
    return {address: word(seal, names[address], timeline) for address in addresses if address in names}


def replaced(config: Mapping[str, Any], key: str, payload: bytes) -> bool:
    """Whether this node, a primary, is told of one on a newer timeline. Two may be on equal ones: none is told then."""
    try:
        timeline = told(payload, sealing(config, key), config["name"])
        return timeline > 0 and timeline > own_timeline(config)
    except OSError:
        return False


def own_timeline(config: Mapping[str, Any]) -> int:
    """The timeline that this primary writes: its history and first segment are there before the promotion ends.

    Raises OSError where it has no data.
    """
    folder = wal_folder(config, Path(config["postgresql"]["data_directory"]))
    return max(1, last_timeline({file.name for file in folder.iterdir()}))
