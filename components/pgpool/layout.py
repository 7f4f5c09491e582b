"""Where pgpool's files lie on a node, and what its service is called."""

SERVICE = "lab-pgpool.service"
PREFIX = "/usr/local/pgpool"
CONFIGURATION = f"{PREFIX}/etc"
CONFIG_FILE = f"{CONFIGURATION}/pgpool.conf"
FAILOVER = f"{CONFIGURATION}/failover.sh"
ESCALATION = f"{CONFIGURATION}/escalation.sh"
VIRTUAL_IP = "/usr/local/sbin/lab-vip"
PASSWORD_FILE = "/var/lib/postgresql/.pcppass"
KEY_FILE = "/var/lib/postgresql/.pgpoolkey"
PCP_USER = "pcp"
HEARTBEAT_PORT = 9694
"""pgpool's default."""
