"""What differs between PostgreSQL's versions, beside the parameters (those: `postgresql_parameters`).

Each table is keyed by the version in which the thing changed. Source: that version's release notes ("Migration to
Version …") and manual; the section is named where it isn't obvious.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgpool_lab.versions.numbers import Version, parse, since

SERIES = ("9.4", "9.5", "9.6", "10", "11", "12", "13", "14", "15", "16", "17")

FUNCTIONS: dict[str, dict[str, str]] = {
    "9.4": {
        "current": "pg_current_xlog_location",
        # The position that is safely on disk has no function of its own yet.
        "flushed": "pg_current_xlog_location",
        "received": "pg_last_xlog_receive_location",
        "replayed": "pg_last_xlog_replay_location",
        "file_of": "pg_xlogfile_name",
        "switch": "pg_switch_xlog",
    },
    "9.6": {
        "current": "pg_current_xlog_location",
        "flushed": "pg_current_xlog_flush_location",
        "received": "pg_last_xlog_receive_location",
        "replayed": "pg_last_xlog_replay_location",
        "file_of": "pg_xlogfile_name",
        "switch": "pg_switch_xlog",
    },
    "10": {
        "current": "pg_current_wal_lsn",
        "flushed": "pg_current_wal_flush_lsn",
        "received": "pg_last_wal_receive_lsn",
        "replayed": "pg_last_wal_replay_lsn",
        "file_of": "pg_walfile_name",
        "switch": "pg_switch_wal",
    },
}
"""Functions of the write-ahead log: of positions in it, and the one that ends a segment (manual, "System Administration
Functions")."""

WAL_FOLDER: dict[str, str] = {"9.4": "pg_xlog", "10": "pg_wal"}

WAL_FILES: dict[str, str] = {"9.4": "pg_ls_dir('pg_xlog') AS files(name)", "10": "pg_ls_waldir()"}
"""A FROM item whose column `name` holds the file names in that folder."""

REPLICA_COLUMNS: dict[str, dict[str, str]] = {
    "9.4": {"sent": "sent_location", "replayed": "replay_location"},
    "10": {"sent": "sent_lsn", "replayed": "replay_lsn"},
}
"""Columns of pg_stat_replication."""

RECEIVER_HOST: dict[str, str | None] = {
    "9.4": None,
    "9.6": r"substring(conninfo from '(?:^|\s)host=(\S+)')",
    "11": "sender_host",
}
"""How pg_stat_wal_receiver says whom a standby streams from; None: there is no such view."""

CONTROL_FUNCTIONS: dict[str, bool] = {"9.4": False, "9.6": True}
"""Whether pg_control_checkpoint() and its like exist, so that pg_control can be read by SQL."""

STANDBY_FILE: dict[str, str] = {"9.4": "recovery.conf", "12": "standby.signal"}
"""The file in the data directory that makes it a standby's.

recovery.conf holds the parameters of recovery as well, is read at a start only, and is renamed by a promotion;
standby.signal is empty and those parameters are the server's.
"""

RELOADS_PRIMARY: dict[str, bool] = {"9.4": False, "13": True}
"""Whether a running standby takes another primary_conninfo without a restart."""

PROMOTES_BY_SQL: dict[str, bool] = {"9.4": False, "12": True}
"""Whether pg_promote() exists; `pg_ctl promote` exists in all of them."""

SYNCHRONOUS_STANDBYS: dict[str, str] = {"9.4": "{}", "9.6": "1 ({})", "10": "ANY 1 ({})"}
"""synchronous_standby_names for: one of these, whichever."""

SCRAM: dict[str, bool] = {"9.4": False, "10": True}
"""Whether SCRAM-SHA-256 passwords exist."""

MD5_ENCRYPTION: dict[str, str] = {"9.4": "on", "10": "md5"}
"""password_encryption for md5; it was a Boolean."""

WAL_LEVEL: dict[str, str] = {"9.4": "hot_standby", "9.6": "replica"}

CHECKING_ROLE: dict[str, str | None] = {"9.4": None, "10": "pg_monitor"}
"""The role whose members see all of pg_stat_replication; before, only a superuser does."""

REWIND_OPTIONS: dict[str, tuple[str, ...]] = {
    "9.4": (),
    "12": ("--no-sync",),
    "14": ("--no-sync", "--config-file"),
}
"""pg_rewind's options that the lab uses; --config-file names a postgresql.conf outside of the data directory.

The program belongs to PostgreSQL since 9.5. Whether it is there is found out on the node: a collection of binaries can
lack it, too.
"""

REWIND_RECOVERS: dict[str, bool] = {"9.4": False, "13": True}
"""Whether pg_rewind runs crash recovery by itself; before, the server has to have been stopped cleanly."""

BASEBACKUP_OPTIONS: dict[str, tuple[str, ...]] = {
    "9.4": ("-X", "stream", "-c", "fast"),
    "10": ("-X", "stream", "-c", "fast", "--no-sync"),
}
"""pg_basebackup's options, by the version of the client program."""

NOTIFIES: dict[str, bool] = {"9.4": False, "9.6": True}
"""Whether a server can tell systemd that it takes connections (configure's --with-systemd)."""

TELLS_PENDING: dict[str, bool] = {"9.4": False, "9.5": True}
"""Whether a server says which settings wait for a restart (pg_settings.pending_restart), and what its files say
(pg_file_settings)."""


@dataclass(frozen=True)
class PostgresqlTraits:
    """What the lab must know of one version."""

    version: Version
    functions: dict[str, str]
    wal_folder: str
    wal_files: str
    replica_columns: dict[str, str]
    receiver_host: str | None
    control_functions: bool
    standby_file: str
    reloads_primary: bool
    promotes_by_sql: bool
    synchronous_standbys: str
    scram: bool
    md5_encryption: str
    wal_level: str
    checking_role: str | None
    rewind_options: tuple[str, ...]
    rewind_recovers: bool
    basebackup_options: tuple[str, ...]
    notifies: bool
    tells_pending: bool


def traits(text: str) -> PostgresqlTraits:
    """The tables' answers for one version, such as 9.6 or 15."""
    version = parse(text)
    return PostgresqlTraits(
        version=version,
        functions=since(FUNCTIONS, version),
        wal_folder=since(WAL_FOLDER, version),
        wal_files=since(WAL_FILES, version),
        replica_columns=since(REPLICA_COLUMNS, version),
        receiver_host=since(RECEIVER_HOST, version),
        control_functions=since(CONTROL_FUNCTIONS, version),
        standby_file=since(STANDBY_FILE, version),
        reloads_primary=since(RELOADS_PRIMARY, version),
        promotes_by_sql=since(PROMOTES_BY_SQL, version),
        synchronous_standbys=since(SYNCHRONOUS_STANDBYS, version),
        scram=since(SCRAM, version),
        md5_encryption=since(MD5_ENCRYPTION, version),
        wal_level=since(WAL_LEVEL, version),
        checking_role=since(CHECKING_ROLE, version),
        rewind_options=since(REWIND_OPTIONS, version),
        rewind_recovers=since(REWIND_RECOVERS, version),
        basebackup_options=since(BASEBACKUP_OPTIONS, version),
        notifies=since(NOTIFIES, version),
        tells_pending=since(TELLS_PENDING, version),
    )
