"""Where PostgreSQL's files lie on a node, and what its service is called."""

SERVICE = "lab-postgresql.service"
BASE = "/var/lib/pgpool-lab/postgresql"
DATA_DIRECTORY = f"{BASE}/data"
REPLICATION_CONF = f"{BASE}/replication.conf"
CONFIGURATION = "/etc/pgpool-lab/postgresql"
CONFIG_FILE = f"{CONFIGURATION}/postgresql.conf"
HBA_FILE = f"{CONFIGURATION}/pg_hba.conf"
PASSWORD_FILE = "/var/lib/postgresql/.pgpass"

USERS = {"superuser": "postgres", "replication": "replication", "check": "pgpool_check"}
"""The database users by their part; `check` is pgpool's for health and replication checks."""


def binaries(version: str) -> str:
    """Folder of a PostgreSQL version's programs as Debian packages them."""
    return f"/usr/lib/postgresql/{version}/bin"
