"""Where PostgreSQL's files lie on a node, and what its service is called."""

from __future__ import annotations

from pgpool_lab.versions import distributions
from pgpool_lab.versions.postgresql import PostgresqlTraits

SERVICE = "lab-postgresql.service"
DATA_DIRECTORY = distributions.DATA_DIRECTORY
BASE = DATA_DIRECTORY.rpartition("/")[0]
REPLICATION_CONF = f"{BASE}/replication.conf"
CONFIGURATION = "/etc/pgpool-lab/postgresql"
CONFIG_FILE = f"{CONFIGURATION}/postgresql.conf"
HBA_FILE = f"{CONFIGURATION}/pg_hba.conf"
PASSWORD_FILE = "/var/lib/postgresql/.pgpass"

USERS = {"superuser": "postgres", "replication": "replication", "check": "pgpool_check"}
"""The database users by their part; `check` is pgpool's for health and replication checks."""


def client_version(distribution: str, version: str, source: str) -> str:
    """Version of psql and pg_basebackup: an archive of binaries may come without, so the distribution's are taken."""
    return version if source in distributions.PACKAGED else distributions.client_version(distribution)


def password_method(auth: str, traits: PostgresqlTraits) -> str:
    """How passwords are stored: as pgpool needs them, else as safely as this PostgreSQL can."""
    return "scram-sha-256" if auth != "md5" and traits.scram else "md5"
