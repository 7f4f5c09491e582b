"""What is asked of a server, in the words of its version.

A dialect comes with the node's configuration (`postgresql.dialect`): the lab's table of versions has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import advisory

Dialect = Mapping[str, Any]


def of(config: Mapping[str, Any]) -> Dialect:
    """The dialect of this lab's PostgreSQL."""
    dialect: Dialect = config["postgresql"]["dialect"]
    return dialect


def newest_timeline(dialect: Dialect) -> str:
    """The newest timeline that the files of a server's log belong to, see `facts.last_timeline`; null for the first."""
    files = dialect["wal_files"]
    return (
        f"(SELECT ('x' || max(substr(name, 1, 8)))::bit(32)::int FROM {files}\n"
        "       WHERE name ~ '^[0-9A-F]{24}$' AND substr(name, 1, 8) || '.history' IN "
        f"(SELECT name FROM {files}))"
    )


def sampled(dialect: Dialect) -> str:
    """What one sample needs: recovery, timeline, end of the log, replayed, host of the primary, read-only.

    The same as `state` says, less what a sample does without: a row without JSON, of what the server has at hand. Of a
    standby that streams the receiver knows the timeline, of another pg_control; the files are counted where it must be.
    """
    call = dialect["functions"]
    timelines = standby_timelines(dialect)
    host = "NULL"
    if dialect["receiver_host"]:
        host = f"(SELECT {dialect['receiver_host']} FROM pg_stat_wal_receiver WHERE status = 'streaming')"
    return f"""
SELECT pg_is_in_recovery(),
  CASE WHEN pg_is_in_recovery()
    THEN coalesce({", ".join([*(timelines[:-1] or timelines), "1"])})
    ELSE ('x' || substr({call["file_of"]}({call["current"]}()), 1, 8))::bit(32)::int END,
  CASE WHEN pg_is_in_recovery()
    THEN greatest({call["received"]}(), {call["replayed"]}()) ELSE {call["flushed"]}() END,
  CASE WHEN pg_is_in_recovery() THEN {call["replayed"]}() END,
  {host},
  current_setting('transaction_read_only')
"""


def standby_timelines(dialect: Dialect) -> list[str]:
    """Expressions for every timeline that a standby can tell by SQL; the highest one counts."""
    found = []
    if dialect["receiver_host"]:
        found.append("(SELECT received_tli FROM pg_stat_wal_receiver)")
    if dialect["control_functions"]:
        found.append("(SELECT timeline_id FROM pg_control_checkpoint())")
    return [*found, newest_timeline(dialect)]


def state(dialect: Dialect) -> str:
    """Everything that a running server says of itself, as one JSON object."""
    call, columns = dialect["functions"], dialect["replica_columns"]
    receiver, identifier = "NULL", "NULL"
    if dialect["receiver_host"]:
        receiver = f"(SELECT json_build_object('status', status, 'host', {dialect['receiver_host']})"
        receiver += " FROM pg_stat_wal_receiver)"
    if dialect["control_functions"]:
        identifier = "(SELECT system_identifier::text FROM pg_control_system())"
    return f"""
SELECT json_build_object(
  'in_recovery', pg_is_in_recovery(),
  'timeline', CASE WHEN pg_is_in_recovery()
    THEN greatest({", ".join(standby_timelines(dialect))})
    ELSE ('x' || substr({call["file_of"]}({call["current"]}()), 1, 8))::bit(32)::int END,
  'lsn', CASE WHEN pg_is_in_recovery()
    THEN greatest({call["received"]}(), {call["replayed"]}()) ELSE {call["flushed"]}() END,
  'system_identifier', {identifier},
  'receiver', {receiver},
  'replicas', (SELECT coalesce(json_agg(json_build_object('name', application_name, 'state', state,
    'sync_state', sync_state, 'sent_lsn', {columns["sent"]}, 'replay_lsn', {columns["replayed"]})), '[]')
    FROM pg_stat_replication))
"""


def standing(dialect: Dialect) -> str:
    """Role, timeline, end of the WAL in bytes, and whether it is preferred (`advisory.PREFERENCE`).

    Quick, since the clients are out: one statement, no JSON. pg_control's timeline alone would be too low for a standby
    that has followed a promotion since its last restart point.
    """
    call = dialect["functions"]
    return f"""
SELECT pg_is_in_recovery(),
       CASE WHEN pg_is_in_recovery() THEN greatest({", ".join(standby_timelines(dialect))}, 1)
         ELSE ('x' || substr({call["file_of"]}({call["current"]}()), 1, 8))::bit(32)::int END,
       CASE WHEN pg_is_in_recovery() THEN coalesce(greatest({call["received"]}(), {call["replayed"]}()), '0/0')
         ELSE {call["current"]}() END - '0/0'::pg_lsn,
       EXISTS (SELECT FROM pg_locks
         WHERE locktype = 'advisory' AND classid = 0 AND objid = {advisory.PREFERENCE} AND granted)
"""


def holds_segment(dialect: Dialect, position: str) -> str:
    """Whether a server has the segment that holds `position`, as a count (the name's last part is timeline-free)."""
    return (
        f"SELECT count(*) FROM {dialect['wal_files']} WHERE length(name) = 24 "
        f"AND substr(name, 9) = substr({dialect['functions']['file_of']}('{position}'), 9)"
    )


def role_and_segment(dialect: Dialect) -> str:
    """A primary's role, and the name of the file that it writes."""
    call = dialect["functions"]
    return f"SELECT pg_is_in_recovery(), {call['file_of']}({call['current']}())"
