"""What the agent on a node knows of the lab: /etc/pgpool-lab/node.json."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from components.pgpool import layout as pgpool
from components.postgres import layout as postgres
from pgpool_lab.settings import LabSettings
from pgpool_lab.versions.distributions import DISTRIBUTIONS, server_binaries
from pgpool_lab.versions.postgresql import PostgresqlTraits
from pgpool_lab.versions.postgresql import traits as version_traits


def node_configuration(settings: LabSettings, *, lab: str, node: str) -> dict[str, Any]:
    """Plain data, without secrets; the agent's `configuration.py` reads it."""
    traits = settings.postgresql.traits
    distribution, server = settings.image.distribution, settings.postgresql
    client = postgres.client_version(distribution, server.version, server.source)
    return {
        "lab": lab,
        "name": node,
        "nodes": [
            {"name": peer.name, "ip": str(peer.ip), "backend_id": index} for index, peer in enumerate(settings.nodes)
        ],
        "ssh_account": "postgres" if settings.ssh_mesh == "service" else "root",
        "postgresql": {
            "bin": server_binaries(distribution, server.version, server.source),
            "client_bin": server_binaries(distribution, client, "distribution"),
            "data_directory": postgres.DATA_DIRECTORY,
            "replication_conf": postgres.REPLICATION_CONF,
            "config_file": postgres.CONFIG_FILE,
            "hba_file": postgres.HBA_FILE,
            "port": settings.postgresql.port,
            "service": postgres.SERVICE,
            "replication": settings.postgresql.replication,
            "dialect": dialect(traits) | {"basebackup_options": list(version_traits(client).basebackup_options)},
        },
        "pgpool": {
            "port": settings.pgpool.port,
            "pcp_port": settings.pgpool.pcp_port,
            "wd_port": settings.pgpool.wd_port,
            "prefix": pgpool.PREFIX,
            "service": pgpool.SERVICE,
            "pcp_syntax": settings.pgpool.traits.pcp_syntax,
            "watchdog_info": settings.pgpool.traits.watchdog_info,
            "election": settings.pgpool.traits.election,
            "peer_lost_seconds": peer_lost_seconds(settings),
            "lifecheck_seen_in": settings.pgpool.traits.lifecheck_seen_in,
            "backends_shown_by": settings.pgpool.traits.backends_shown_by,
            "watched_by": settings.pgpool.traits.watched_by,
            "failover_command_runs_on": settings.pgpool.traits.failover_command_runs_on,
            "pool_passwd": settings.pgpool.traits.pool_passwd,
        },
        "vip": str(settings.network.vip),
        "gateway": str(settings.network.gateway),
        "users": postgres.USERS,
        "auth": settings.auth,
        "password_encryption": postgres.password_method(settings.auth, traits),
        "locale": DISTRIBUTIONS[settings.image.distribution].locale,
        **witness(settings),
    }


def peer_lost_seconds(settings: LabSettings) -> int | None:
    """After how long a watchdog has lost a peer that died, at most; None where peers watch each other by queries, and
    none has a vote."""
    timings = settings.pgpool.timings
    if "wd_heartbeat_deadtime" not in timings:
        return None
    # Later than the deadtime, in whole seconds, and at the next look (watchdog/wd_lifecheck.c).
    return int(timings["wd_heartbeat_deadtime"]) + 1 + int(timings["wd_interval"])


def witness(settings: LabSettings) -> dict[str, Any]:
    """The watchdog member without PostgreSQL; nothing where there is none."""
    machine = settings.witness_machine
    return {"witness": {"name": machine.name, "ip": str(machine.ip)}} if machine else {}


def dialect(traits: PostgresqlTraits) -> dict[str, Any]:
    """What the agent must know of the version (`pgpool_lab/node/dialect.py`), as JSON will hand it over."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(traits)))
    return plain
