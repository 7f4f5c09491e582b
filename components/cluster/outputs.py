"""The stack's outputs: all that a client or test harness knows of a lab."""

from __future__ import annotations

import os
from typing import Any

import pulumi

from components.cluster.cluster import Cluster
from components.pgpool import layout as pgpool
from components.postgres import layout as postgres
from pgpool_lab.paths import LabPaths
from pgpool_lab.settings import LabSettings

AGENT = "/usr/local/sbin/lab-node"
WITNESS_SERVICE = "lab-witness.service"

NAMESPACE_VARIABLE = "PGPOOL_LAB_NAMESPACE"
"""Set by `lab` while it runs the engine: the network namespace that holds the lab."""


def outputs(cluster: Cluster, settings: LabSettings, paths: LabPaths, libvirt_uri: str) -> dict[str, Any]:
    """Outputs by name; `credentials` is secret."""
    superuser = postgres.USERS["superuser"]
    vip, port = str(settings.network.vip), settings.pgpool.port
    hosts = [vip, *[str(node.ip) for node in settings.nodes]]
    return {
        "vip": vip,
        "dsn": f"host={vip} port={port} user={superuser} dbname=postgres",
        "dsn_all": f"host={','.join(hosts)} port={port} user={superuser} dbname=postgres",
        "pgpool_port": port,
        "pcp_port": settings.pgpool.pcp_port,
        "nodes": [
            {
                "name": node.name,
                "ip": str(node.ip),
                "pg_port": settings.postgresql.port,
                "pgpool_port": port,
                "wd_port": settings.pgpool.wd_port,
                "pcp_port": settings.pgpool.pcp_port,
                "backend_id": index,
                "data_directory": postgres.DATA_DIRECTORY,
                "domain": paths.domain(node.name),
                "mac": node.mac,
                "interface": machine.interface,
                "services": {"postgresql": postgres.SERVICE, "pgpool": pgpool.SERVICE},
                "scripts": {
                    "agent": AGENT,
                    "failover": pgpool.FAILOVER,
                    "virtual_ip": pgpool.VIRTUAL_IP,
                },
            }
            for index, (node, machine) in enumerate(zip(settings.nodes, cluster.nodes, strict=True))
        ],
        **witness(cluster, settings, paths),
        "ssh": {
            "user": "root",
            "port": 22,
            "private_key_path": str(paths.operator_key),
            "known_hosts_path": str(paths.known_hosts),
        },
        "network": {
            "cidr": str(settings.network.cidr),
            "gateway": str(settings.network.gateway),
            "bridge": cluster.network.bridge,
            "namespace": os.environ.get(NAMESPACE_VARIABLE),
        },
        "libvirt_uri": libvirt_uri,
        "versions": {
            "distribution": settings.image.distribution,
            "postgresql": settings.postgresql.version,
            "pgpool": settings.pgpool.version,
        },
        "timings": settings.pgpool.timings,
        "replication": settings.postgresql.replication,
        "credentials": pulumi.Output.secret(
            pulumi.Output.from_input(
                {
                    part: {"user": user, "password": cluster.identity.passwords[part]}
                    for part, user in {**postgres.USERS, "pcp": pgpool.PCP_USER}.items()
                }
            )
        ),
    }


def witness(cluster: Cluster, settings: LabSettings, paths: LabPaths) -> dict[str, Any]:
    """The output of that name; nothing without a witness."""
    machine = settings.witness_machine
    if machine is None or cluster.witness is None:
        return {}
    return {
        "witness": {
            "name": machine.name,
            "ip": str(machine.ip),
            "pgpool_port": settings.pgpool.port,
            "wd_port": settings.pgpool.wd_port,
            "pcp_port": settings.pgpool.pcp_port,
            "domain": paths.domain(machine.name),
            "mac": machine.mac,
            "interface": cluster.witness.interface,
            "services": {"pgpool": pgpool.SERVICE, "witness": WITNESS_SERVICE},
            "scripts": {"agent": AGENT, "failover": pgpool.FAILOVER},
        }
    }
