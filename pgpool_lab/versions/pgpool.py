"""What differs between pgpool-II's releases beside its parameters (those: `pgpool_parameters`).

Each table is keyed by the series in which the thing changed. Source: the release's own sources; the files are named.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgpool_lab.versions.numbers import Version, parse, since

SERIES = ("3.2", "3.3", "3.4", "3.5", "3.6", "3.7", "4.0", "4.1", "4.2", "4.3", "4.4", "4.5", "4.6")

RELEASES = (
    *("3.2.9", "3.2.22", "3.3.22", "3.4.26", "3.5.28", "3.6.28", "3.7.26"),
    *("4.0.25", "4.1.23", "4.2.24", "4.3.5", "4.3.20", "4.4.17", "4.5.12", "4.6.7"),
)
"""What tests render configurations for: each series' latest, the runbook's and Debian 12's."""

AUTHENTICATION: dict[str, frozenset[str]] = {
    "3.2": frozenset({"trust", "md5"}),
    "4.0": frozenset({"trust", "md5", "scram"}),
}
"""Ways in which clients and pgpool can authenticate (pool_hba.c)."""

POOL_PASSWD: dict[str, str] = {"3.2": "md5", "4.0": "text", "4.2": "aes"}
"""The safest form in which pool_passwd serves every way to authenticate, made without a password in an argument.

md5: a hash, all that pgpool needs to log in by md5. Logging in by scram takes the password itself: `text` in a file
that others can't read, until pg_enc can read it from a file (`-i`, tools/pgenc/pg_enc.c) and encrypts it.
"""

PCP_SYNTAX: dict[str, str] = {"3.2": "positional", "3.5": "options"}
"""`positional`: timeout host port user password [id]; `options`: -h -p -U -w -n (tools/pcp)."""

WATCHDOG_INFO: dict[str, str] = {"3.2": "none", "3.3": "number", "3.5": "name"}
"""What pcp_watchdog_info says of a node's state: there is no such program, a number, or a word."""

ELECTION: dict[str, str] = {"3.2": "oldest", "3.5": "vote"}
"""Who leads next: whoever was started longest ago, by its own clock, or who wins a vote (watchdog.c)."""

LIFECHECK_SEEN_IN: dict[str, str] = {"3.2": "log", "3.5": "nothing"}
"""Where a pgpool says whether it checks its peers, which it does only after all of them have answered once.

Until then the death of a host passes unnoticed. Versions from 3.5 on wait as well, but their watchdog notices by itself
that a peer's connection is gone (watchdog.c).
"""

BACKENDS_SHOWN_BY: dict[str, str] = {"3.2": "pool_nodes", "4.2": "pool_backend_stats"}
"""The cheapest SHOW command with every backend's state and role. Since 4.3 `show pool_nodes` logs in to every backend
(pool_process_reporting.c, get_nodes), which takes an emulated lab of three seconds."""

HEALTH_STATISTICS: dict[str, bool] = {"3.2": False, "4.2": True}
"""Whether pcp_health_check_stats tells when each backend's checks last succeeded and failed."""

WATCHED_BY: dict[str, str] = {"3.2": "pcp", "3.3": "session"}
"""How a sample asks a pgpool what it believes: 3.2 can wait for its peers for ever when several have a session that
learns of a backend's end (node/view.py)."""

PLACEHOLDERS: dict[str, str] = {"3.2": "dhpDmHMPrR%", "4.1": "dhpDmHMPrRNS%"}
"""Letters that may follow % in failover_command (trigger_failover_command)."""

FAILOVER_COMMAND_RUNS_ON: dict[str, str] = {"3.2": "every", "3.3": "one"}
"""On how many pgpools failover_command runs for one failover: the lock among the pgpools came with 3.3."""

LIFECHECK_METHODS: dict[str, tuple[str, ...]] = {
    "3.2": ("query",),
    "3.3": ("heartbeat", "query"),
    "3.5": ("heartbeat", "query", "external"),
}
"""How pgpools watch each other; in 3.2 there is no choice and no parameter for it."""

INTERFACE_COMMANDS: dict[str, str] = {"3.2": "relative", "4.1": "absolute"}
"""if_up_cmd and its like are run without a shell (watchdog/wd_if.c).

`relative`: the first word always below if_cmd_path (until 3.4 ifconfig_path); `absolute`: unless it begins with /.
"""

PEERS: dict[str, str] = {"3.2": "others", "4.2": "all"}
"""Whether a pgpool is told of the other pgpools, or of all, and by pgpool_node_id which one it is."""

COMPILER_FLAGS: dict[str, str] = {
    # Tentative definitions in headers, which gcc 10 no longer merges; uintptr_t without its header. 3.2.9 was
    # compiled so with gcc 12; for the later ones it is a precaution.
    "3.2": "-O1 -fcommon -w -include stdint.h",
    "3.5": "-O2 -fcommon -w",
    "4.2": "",
}
"""CFLAGS that a release needs with the compiler of a present distribution; empty: configure's own."""

CONFIGURE_OPTIONS: dict[str, str] = {"3.2": "", "4.0": "--with-openssl"}
"""What configure is told. scram and AES need OpenSSL; md5 doesn't, and 3.2's configure looks for a function in libssl
(SSL_library_init) that is gone since OpenSSL 1.1."""


@dataclass(frozen=True)
class PgpoolTraits:
    """What the lab must know of one release."""

    version: Version
    authentication: frozenset[str]
    pool_passwd: str
    pcp_syntax: str
    watchdog_info: str
    election: str
    lifecheck_seen_in: str
    backends_shown_by: str
    health_statistics: bool
    watched_by: str
    placeholders: frozenset[str]
    failover_command_runs_on: str
    lifecheck_methods: tuple[str, ...]
    interface_commands: str
    peers: str
    compiler_flags: str
    configure_options: str


def known_version(text: str) -> bool:
    """Whether this is a release of a series in the tables. A series' later releases are taken to be like its others."""
    try:
        version = parse(text)
    except ValueError:
        return False
    return len(version) == 3 and ".".join(text.split(".")[:2]) in SERIES


def traits(text: str) -> PgpoolTraits:
    """The tables' answers for one release, such as 4.3.5."""
    version = parse(text)
    return PgpoolTraits(
        version=version,
        authentication=since(AUTHENTICATION, version),
        pool_passwd=since(POOL_PASSWD, version),
        pcp_syntax=since(PCP_SYNTAX, version),
        watchdog_info=since(WATCHDOG_INFO, version),
        election=since(ELECTION, version),
        lifecheck_seen_in=since(LIFECHECK_SEEN_IN, version),
        backends_shown_by=since(BACKENDS_SHOWN_BY, version),
        health_statistics=since(HEALTH_STATISTICS, version),
        watched_by=since(WATCHED_BY, version),
        placeholders=frozenset(since(PLACEHOLDERS, version)),
        failover_command_runs_on=since(FAILOVER_COMMAND_RUNS_ON, version),
        lifecheck_methods=since(LIFECHECK_METHODS, version),
        interface_commands=since(INTERFACE_COMMANDS, version),
        peers=since(PEERS, version),
        compiler_flags=since(COMPILER_FLAGS, version),
        configure_options=since(CONFIGURE_OPTIONS, version),
    )
