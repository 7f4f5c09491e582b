"""pg_control, read from its bytes: for a PostgreSQL whose pg_controldata is missing.

Layout: struct ControlFileData and struct CheckPoint, src/include/catalog/pg_control.h, with the alignment of a 64-bit
little-endian machine. What differs between versions is where things lie.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from .configuration import StepFailed

STATES = (
    "starting up",
    "shut down",
    "shut down in recovery",
    "shutting down",
    "in crash recovery",
    "in archive recovery",
    "in production",
)
"""enum DBState, in pg_controldata's words."""

LAYOUTS: dict[str, tuple[int, int]] = {
    "9.4": (48, 128),
    "9.5": (48, 136),
    "9.6": (48, 136),
    "10": (48, 136),
    "11": (40, 128),
    "12": (40, 136),
    "13": (40, 136),
    "14": (40, 136),
    "15": (40, 136),
    "16": (40, 136),
    "17": (40, 136),
}
"""By the major version (PG_VERSION): offsets of checkPointCopy, whose second field is its timeline, and of
minRecoveryPoint with its timeline."""

CHECKPOINT = 32
"""Offset of checkPoint, the latest checkpoint's position."""


def read(directory: Path) -> dict[str, Any]:
    """What `facts.parse_controldata` finds in pg_controldata's output. Raises StepFailed for an unknown version."""
    version = (directory / "PG_VERSION").read_text().strip()
    if version not in LAYOUTS:
        raise StepFailed(f"there is no pg_controldata here, and the layout of PostgreSQL {version}'s is not known")
    return parse((directory / "global" / "pg_control").read_bytes(), *LAYOUTS[version])


def parse(content: bytes, checkpoint_copy: int, minimum: int) -> dict[str, Any]:
    """Facts from the file's content and the offsets of its layout."""
    (identifier,) = struct.unpack_from("<Q", content, 0)
    (state,) = struct.unpack_from("<i", content, 16)
    (latest,) = struct.unpack_from("<Q", content, CHECKPOINT)
    (timeline,) = struct.unpack_from("<I", content, checkpoint_copy + 8)
    recovered, recovered_timeline = struct.unpack_from("<QI", content, minimum)
    position = max(latest, recovered)
    return {
        "timeline": max(timeline, recovered_timeline),
        "lsn": f"{position >> 32:X}/{position & 0xFFFFFFFF:X}",
        "system_identifier": str(identifier),
        "control_state": STATES[state],
    }
