"""The stack outputs of a two-node lab, and of its witness where it has one, for tests."""

from __future__ import annotations

from typing import Any


def values() -> dict[str, Any]:
    """As `pulumi stack output --json --show-secrets` prints them."""
    return {
        "vip": "192.168.31.139",
        "dsn": "host=192.168.31.139 port=9999 user=postgres dbname=postgres",
        "dsn_all": "host=192.168.31.139,192.168.31.133,192.168.31.134 port=9999 user=postgres dbname=postgres",
        "pgpool_port": 9999,
        "pcp_port": 9898,
        "nodes": [node("node0", 0, 133), node("node4", 1, 134)],
        "ssh": {"user": "root", "port": 22, "private_key_path": "/key", "known_hosts_path": "/known_hosts"},
        "network": {"cidr": "192.168.31.0/24", "gateway": "192.168.31.1", "bridge": "lab0", "namespace": None},
        "libvirt_uri": "qemu:///system",
        "versions": {"distribution": "debian12", "postgresql": "15", "pgpool": "4.3.5"},
        "timings": {"health_check_period": 1, "failover_on_backend_error": True},
        "replication": "async",
        "credentials": {
            part: {"user": part, "password": f"password-of-{part}"}
            for part in ("superuser", "replication", "check", "pcp")
        },
    }


def node(name: str, backend_id: int, last: int) -> dict[str, Any]:
    return {
        "name": name,
        "ip": f"192.168.31.{last}",
        "pg_port": 5432,
        "pgpool_port": 9999,
        "wd_port": 9000,
        "pcp_port": 9898,
        "backend_id": backend_id,
        "data_directory": "/data",
        "domain": f"lab-{name}",
        "mac": f"52:54:00:31:01:{last - 100}",
        "interface": "enp1s0",
        "services": {"postgresql": "lab-postgresql.service", "pgpool": "lab-pgpool.service"},
        "scripts": {"agent": "/lab-node", "failover": "/failover.sh", "virtual_ip": "/lab-vip"},
    }


def witness() -> dict[str, Any]:
    """The output of that name of a lab that has one."""
    return {
        "name": "witness",
        "ip": "192.168.31.2",
        "pgpool_port": 9999,
        "wd_port": 9000,
        "pcp_port": 9898,
        "domain": "lab-witness",
        "mac": "52:54:00:31:01:00",
        "interface": "enp1s0",
        "services": {"pgpool": "lab-pgpool.service", "witness": "lab-witness.service"},
        "scripts": {"agent": "/lab-node", "failover": "/failover.sh"},
    }
