"""Which of the written settings this node's running PostgreSQL has read, and what it says of those it has not taken."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from .configuration import Config

READ = Path("/run/pgpool-lab-postgresql-read")
"""Hashes of what the server read last, by what they cover; gone after a reboot, as the server is."""

LOADED = "SELECT pg_conf_load_time()"

PENDING = """
SELECT s.name, s.setting, f.setting FROM pg_settings s
LEFT JOIN (SELECT DISTINCT ON (name) name, setting FROM pg_file_settings ORDER BY name, seqno DESC) f USING (name)
WHERE s.pending_restart
"""
"""What a restart will change: name, value in force, value in the files."""

ERRORS = """
SELECT coalesce(name, sourcefile) || ': ' || error FROM pg_file_settings
WHERE error IS NOT NULL AND (name IS NULL OR name NOT IN (SELECT name FROM pg_settings WHERE pending_restart))
"""
"""What the files have wrong; a line that cannot be read has no name.

A parameter that waits for a restart is listed as an error, too ("setting could not be applied").
"""


class Pending(NamedTuple):
    """A parameter that only a restart changes. Values are texts in the parameter's own unit."""

    name: str
    in_force: str
    written: str | None


UNTOLD = Pending("what a server of this version does not tell", "", None)
"""Stands for whatever may wait for a restart where nobody says what does: then there is always one."""


def parse_pending(text: str) -> list[Pending]:
    """The rows that PENDING gives."""
    rows = (line.split("|", 2) for line in text.splitlines())
    return [Pending(name, in_force, written or None) for name, in_force, written in rows]


def written(config: Config) -> dict[str, str]:
    """Hashes of what is written on this node: `settings` (parameters) and `access` (who may log in, and how)."""
    postgres = config["postgresql"]
    own = json.dumps([postgres, config["nodes"], config["users"]], sort_keys=True)
    return {
        "settings": digest(Path(postgres["config_file"]).read_text() + own),
        "access": digest(Path(postgres["hba_file"]).read_text()),
    }


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def remember(hashes: Mapping[str, str]) -> None:
    """The running server has read what these stand for."""
    READ.write_text(json.dumps(hashes))


def unread(config: Config) -> list[str]:
    """What was written since the server read it; everything when nobody knows what it read."""
    read = json.loads(READ.read_text()) if READ.is_file() else {}
    return sorted(name for name, value in written(config).items() if read.get(name) != value)
