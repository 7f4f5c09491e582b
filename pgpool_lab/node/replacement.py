"""What a node tells those that it has not heard: it is primary, or holds the virtual IP. In the echo requests to them.

The fence cannot reach a machine that stands still, or is cut off. When that comes back it goes on as the primary and
the holder that it was, and nothing on it shows that time has passed.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .facts import last_timeline, wal_folder

MARK = b"HOLD"
HEAD = struct.Struct("!4sIH")
"""The mark, the timeline of a primary (0: it is none), whether it holds the virtual IP; a signature follows."""


class Claim(NamedTuple):
    """What a node is."""

    timeline: int = 0
    """Of its primary; 0 for a standby."""
    holder: bool = False
    """Whether it has the virtual IP."""


class Sealing(NamedTuple):
    """What a claim is signed with: it is only for nodes of the same lab, with data of the same cluster."""

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


def packed(claim: Claim, seal: Sealing, to: str) -> bytes:
    """The claim for the node `to`, as a payload."""
    head = HEAD.pack(MARK, claim.timeline, claim.holder)
    return head + hmac.digest(seal.key.encode(), head + seal.cluster + f"{seal.lab} {to}".encode(), "sha256")


def unpacked(payload: bytes, seal: Sealing, to: str) -> Claim | None:
    """The claim in a payload; None for anything else, or one that is not for `to`."""
    if len(payload) < HEAD.size:
        return None
    _, timeline, holder = HEAD.unpack(payload[: HEAD.size])
    claim = Claim(timeline, bool(holder))
    return claim if hmac.compare_digest(payload, packed(claim, seal, to)) else None


def claims(config: Mapping[str, Any], key: str, claim: Claim, addresses: Collection[str]) -> dict[str, bytes]:
    """Payloads for the nodes at some addresses, by their addresses; none for what is nothing to claim."""
    names = {node["ip"]: node["name"] for node in config["nodes"]}
    if claim == Claim():
        return {}
    try:
        seal = sealing(config, key)
    except OSError:
        return {}
    return {address: packed(claim, seal, names[address]) for address in addresses if address in names}


def claimed(config: Mapping[str, Any], key: str, payload: bytes) -> Claim:
    """What this node is told by a payload; nothing is claimed by one that is not of its lab."""
    try:
        return unpacked(payload, sealing(config, key), config["name"]) or Claim()
    except OSError:
        return Claim()


def own_timeline(config: Mapping[str, Any]) -> int:
    """The timeline that this primary writes: its history and first segment are there before the promotion ends.

    0 where it has no data.
    """
    folder = wal_folder(config, Path(config["postgresql"]["data_directory"]))
    try:
        return max(1, last_timeline({file.name for file in folder.iterdir()}))
    except OSError:
        return 0
