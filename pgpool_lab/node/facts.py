"""What this node's PostgreSQL is, now: asked from it when it runs, read from its files when it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .configuration import Config, StepFailed, psql, run, service_active

ANSWER_SECONDS = 8

STATE = """
SELECT json_build_object(
  'in_recovery', pg_is_in_recovery(),
  'timeline', CASE WHEN pg_is_in_recovery()
    THEN coalesce((SELECT received_tli FROM pg_stat_wal_receiver), (SELECT timeline_id FROM pg_control_checkpoint()))
    ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END,
  'lsn', CASE WHEN pg_is_in_recovery()
    THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) ELSE pg_current_wal_flush_lsn() END,
  'system_identifier', (SELECT system_identifier::text FROM pg_control_system()),
  'receiver', (SELECT json_build_object('status', status, 'host', sender_host) FROM pg_stat_wal_receiver),
  'replicas', (SELECT coalesce(json_agg(json_build_object('name', application_name, 'state', state,
    'sync_state', sync_state, 'sent_lsn', sent_lsn, 'replay_lsn', replay_lsn)), '[]') FROM pg_stat_replication))
"""


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
        "streaming_from": None,
        "replicas": [],
        "history": [],
    }
    if facts["data"] != "present":
        return facts
    if facts["running"]:
        try:
            facts.update(asked(config))
        except StepFailed:
            facts.update(controlled(config, directory))
    else:
        facts.update(controlled(config, directory))
    facts["history"] = history(directory, facts["timeline"])
    return facts


def data_state(directory: Path) -> str:
    """`none`, `present`, or `partial`: files that are not a data directory PostgreSQL would start from."""
    if not directory.is_dir() or not any(directory.iterdir()):
        return "none"
    complete = (directory / "PG_VERSION").is_file() and (directory / "global" / "pg_control").is_file()
    return "present" if complete else "partial"


def asked(config: Config) -> dict[str, Any]:
    """Facts from a running server."""
    state: dict[str, Any] = json.loads(psql(config, "127.0.0.1", STATE, seconds=ANSWER_SECONDS))
    receiver = state.pop("receiver")
    state["streaming_from"] = None
    if receiver is not None and receiver["status"] == "streaming":
        state["streaming_from"] = next(
            (node["name"] for node in config["nodes"] if receiver["host"] in (node["ip"], node["name"])), None
        )
    return state


def controlled(config: Config, directory: Path) -> dict[str, Any]:
    """Facts from pg_control of a server that does not run or answer."""
    text = run([f"{config['postgresql']['bin']}/pg_controldata", str(directory)], seconds=30, LC_ALL="C")
    return parse_controldata(text)


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


def history(directory: Path, timeline: int | None) -> list[tuple[int, str]]:
    """Where the timelines before this one ended (PostgreSQL manual, "Timelines")."""
    if not timeline or timeline == 1:
        return []
    file = directory / "pg_wal" / f"{timeline:08X}.history"
    return parse_history(file.read_text()) if file.is_file() else []


def parse_history(text: str) -> list[tuple[int, str]]:
    """A history file's lines: timeline, position of the switch, reason."""
    lines = (line.split() for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return [(int(words[0]), words[1]) for words in lines]
