"""What the agent on a node knows of the lab: /etc/pgpool-lab/node.json."""

from __future__ import annotations

from typing import Any

from components.pgpool import layout as pgpool
from components.postgres import layout as postgres
from pgpool_lab.settings import LabSettings


def node_configuration(settings: LabSettings, *, lab: str, node: str) -> dict[str, Any]:
    """Plain data, without secrets; the agent's `configuration.py` reads it."""
    traits = settings.postgresql.traits
    binaries = postgres.binaries(settings.postgresql.version)
    return {
        "lab": lab,
        "name": node,
        "nodes": [
            {"name": peer.name, "ip": str(peer.ip), "backend_id": index} for index, peer in enumerate(settings.nodes)
        ],
        "ssh_account": "postgres" if settings.ssh_mesh == "service" else "root",
        "postgresql": {
            "major": traits.major,
            "bin": binaries,
            "client_bin": binaries,
            "data_directory": postgres.DATA_DIRECTORY,
            "replication_conf": postgres.REPLICATION_CONF,
            "config_file": postgres.CONFIG_FILE,
            "hba_file": postgres.HBA_FILE,
            "port": settings.postgresql.port,
            "service": postgres.SERVICE,
            "recovery_style": traits.recovery_style,
            "wal_names": traits.wal_names,
            "replication": settings.postgresql.replication,
            "pg_rewind": True,
        },
        "pgpool": {
            "port": settings.pgpool.port,
            "pcp_port": settings.pgpool.pcp_port,
            "wd_port": settings.pgpool.wd_port,
            "prefix": pgpool.PREFIX,
            "service": pgpool.SERVICE,
        },
        "vip": str(settings.network.vip),
        "prefix_length": settings.network.cidr.prefixlen,
        "users": postgres.USERS,
        "auth": settings.auth,
        "password_encryption": "md5" if settings.auth == "md5" else "scram-sha-256",
    }
