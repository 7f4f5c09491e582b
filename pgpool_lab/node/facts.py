"""What this node's PostgreSQL is, now: asked from it when it runs, read from its files when it does not."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from . import control_file, dialect, receiver, settings
from .configuration import OWN_HOST, Config, StepFailed, psql, run, service_active
from .role import standby_file

ANSWER_SECONDS = 8
FSTAB = Path("/etc/fstab")
SEGMENT = re.compile("[0-9A-F]{24}")


def postgres(config: Config) -> dict[str, Any]:
    """This node's facts about PostgreSQL; bounded in time, also when it hangs."""
    directory = Path(config["postgresql"]["data_directory"])
    facts: dict[str, Any] = {
        "data": data_state(directory),
        "running": service_active(config["postgresql"]["service"]),
        "in_recovery": None,
        "timeline": None,
        "lsn": None,
        "system_identifier": None,
        "control_state": None,
        "standby_signal": False,
        "streaming_from": None,
        "replicas": [],
        "history": [],
        "unread": [],
    }
    if facts["data"] != "present":
        return facts
    facts["standby_signal"] = standby_file(config, directory).exists()
    if facts["running"]:
        facts["unread"] = settings.unread(config)
        try:
            facts.update(asked(config))
        except StepFailed:
            facts.update(controlled(config, directory))
    else:
        facts.update(controlled(config, directory))
    facts["history"] = history(wal_folder(config, directory), facts["timeline"])
    return facts


def data_state(directory: Path) -> str:
    """`none`, `present`, or `partial`: files that are not a data directory PostgreSQL would start from.

    Raises StepFailed when its volume is not there: a disk that failed to mount is not an empty node.
    """
    if missing := unmounted(FSTAB.read_text(), directory):
        raise StepFailed(f"{missing} is not mounted, so nobody can say what data this node has")
    if not directory.is_dir() or not any(directory.iterdir()):
        return "none"
    if rewinding(directory).exists():
        return "partial"
    complete = (directory / "PG_VERSION").is_file() and (directory / "global" / "pg_control").is_file()
    return "present" if complete else "partial"


def rewinding(directory: Path) -> Path:
    """A file that is there while pg_rewind changes a data directory: half-rewound, it looks whole and is nobody's."""
    return directory.with_name(f"{directory.name}.rewinding")


def unmounted(fstab: str, directory: Path) -> str | None:
    """The mount point that should hold `directory` and is not mounted (fstab(5): second field)."""
    lines = (line.split() for line in fstab.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    points = (words[1] for words in lines if len(words) > 1)
    return next((point for point in points if Path(point) in directory.parents and not os.path.ismount(point)), None)


def asked(config: Config) -> dict[str, Any]:
    """Facts from a running server."""
    words = dialect.of(config)
    state: dict[str, Any] = json.loads(psql(config, OWN_HOST, dialect.state(words), seconds=ANSWER_SECONDS))
    received = state.pop("receiver")
    host = received["host"] if received is not None and received["status"] == "streaming" else None
    directory = Path(config["postgresql"]["data_directory"])
    if state["in_recovery"] and not words["receiver_host"]:
        host = receiver.streaming_host(standby_file(config, directory))
    state["streaming_from"] = next(
        (node["name"] for node in config["nodes"] if host in (node["ip"], node["name"])), None
    )
    if not words["control_functions"]:
        known = controlled(config, directory)
        state["system_identifier"] = known["system_identifier"]
        if state["in_recovery"]:
            state["timeline"] = max(state["timeline"] or 0, known["timeline"])
    return state


def controlled(config: Config, directory: Path) -> dict[str, Any]:
    """Facts from pg_control of a server that does not run or answer."""
    program = Path(config["postgresql"]["bin"], "pg_controldata")
    if program.is_file():
        known = parse_controldata(run([str(program), str(directory)], seconds=30, LC_ALL="C"))
    else:
        known = control_file.read(directory)
    names = {file.name for file in wal_folder(config, directory).iterdir()}
    return known | {"timeline": max(known["timeline"], last_timeline(names))}


def wal_folder(config: Config, directory: Path) -> Path:
    """The folder of the write-ahead log in a data directory."""
    name: str = dialect.of(config)["wal_folder"]
    return directory / name


def last_timeline(names: Collection[str]) -> int:
    """The newest timeline that the files of the log belong to, 0 for none but the first.

    A standby writes segments of a timeline only after it has switched to it; pg_control learns of that at the next
    restart point, which a crash may forestall. Without its history file a segment is a remnant: pg_rewind keeps some
    of the timeline that it gives up.
    """
    prefixes = (name[:8] for name in names if SEGMENT.fullmatch(name))
    return max((int(prefix, 16) for prefix in prefixes if f"{prefix}.history" in names), default=0)


def parse_controldata(text: str) -> dict[str, Any]:
    """pg_controldata's lines (src/bin/pg_controldata/pg_controldata.c)."""
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}
    recovered = int(fields["Min recovery ending loc's timeline"])
    checkpoint, minimum = fields["Latest checkpoint location"], fields["Minimum recovery ending location"]
    from .join import parse_lsn

    return {
        "timeline": max(int(fields["Latest checkpoint's TimeLineID"]), recovered),
        "lsn": max(checkpoint, minimum, key=parse_lsn),
        "system_identifier": fields["Database system identifier"],
        "control_state": fields["Database cluster state"],
    }


def history(folder: Path, timeline: int | None) -> list[tuple[int, str]]:
    """Where the timelines before this one ended (PostgreSQL manual, "Timelines")."""
    if not timeline or timeline == 1:
        return []
    file = folder / f"{timeline:08X}.history"
    return parse_history(file.read_text()) if file.is_file() else []


def parse_history(text: str) -> list[tuple[int, str]]:
    """A history file's lines: timeline, position of the switch, reason."""
    lines = (line.split() for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return [(int(words[0]), words[1]) for words in lines]
