"""Whom a standby streams from, where no view tells it (before PostgreSQL 9.6)."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

STREAMING = re.compile(r"^postgres: .*wal ?receiver( process)?\s+streaming ", re.MULTILINE)
"""The title of a WAL receiver's process that streams (update_process_title, on by default)."""


def streaming_host(standby_file: Path) -> str | None:
    """The host in the standby's own primary_conninfo while its WAL receiver streams, else None."""
    titles = subprocess.run(["ps", "-C", "postgres", "-o", "args="], capture_output=True, text=True, check=False).stdout
    if not is_streaming(titles) or not standby_file.is_file():
        return None
    return configured_host(standby_file.read_text())


def is_streaming(titles: str) -> bool:
    """Whether one of the processes is a WAL receiver that streams."""
    return STREAMING.search(titles) is not None


def configured_host(recovery_conf: str) -> str | None:
    """The host that a recovery.conf of the lab names."""
    found = re.search(r"^primary_conninfo = '(?:[^']*\s)?host=([^\s']+)", recovery_conf, re.MULTILINE)
    return found and found[1]
