"""The word of a new primary to one that it cannot hear: another was promoted. It travels in the echo requests to it.

The fence cannot reach a machine that stands still, or is cut off. When that comes back it goes on as the primary that
it was, and nothing on it shows that time has passed. These packets are the first that it gets: they have waited for it.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Mapping
from typing import Any

MARK = b"PRIM"
HEAD = struct.Struct("!4sI")
"""The mark and the timeline of who is primary; a signature follows."""


def word(key: str, lab: str, to: str, timeline: int) -> bytes:
    """Tells the node `to` that there is a primary on `timeline`, signed with a secret of the lab's nodes.

    It may be repeated by anybody and is true for ever: a timeline has one beginning, and what is primary on an older
    one was replaced.
    """
    head = HEAD.pack(MARK, timeline)
    return head + hmac.digest(key.encode(), head + f"{lab} {to}".encode(), "sha256")


def told(payload: bytes, key: str, lab: str, to: str) -> int:
    """The timeline that the word tells `to` of; 0 for what is no word, or none of this lab's to this node."""
    if len(payload) < HEAD.size:
        return 0
    timeline: int = HEAD.unpack(payload[: HEAD.size])[1]
    return timeline if hmac.compare_digest(payload, word(key, lab, to, timeline)) else 0


def replaced(config: Mapping[str, Any], key: str, payload: bytes, timeline: int) -> bool:
    """Whether a primary on `timeline` that gets this payload was replaced by one on a newer timeline."""
    return told(payload, key, config["lab"], config["name"]) > timeline
