"""pgpool on this node: what it is and believes, starting it, attaching backends."""

from __future__ import annotations

import csv
import hashlib
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Config = Mapping[str, Any]

SECRETS = Path("/etc/pgpool-lab/secrets.json")
STARTED = Path("/run/pgpool-lab-started")
"""Hash of the configuration with which the service was started last; gone after a reboot, as the service is."""

ANSWER_SECONDS = 6
"""pgpool holds clients back during a failover: an answer may take that long, and none is an answer, too."""

PCP_PASSWORDS = "/var/lib/postgresql/.pcppass"


def facts(config: Config) -> dict[str, Any]:
    """Whether pgpool runs here, its watchdog role, and what it believes of each backend."""
    running = is_running(config)
    return {
        "running": running,
        "watchdog_role": watchdog_role(config) if running else None,
        "backends": backends(config) if running else [],
    }


def holds_vip(config: Config) -> bool:
    """Whether an interface of this node has the virtual IP."""
    shown = subprocess.run(
        ["ip", "-o", "-4", "addr", "show", "to", f"{config['vip']}/32"],
        capture_output=True,
        text=True,
        check=False,
    )
    return bool(shown.stdout.strip())


def is_running(config: Config) -> bool:
    """Whether the service is active (a hung pgpool is)."""
    return systemctl("is-active", "--quiet", config["pgpool"]["service"]) == 0


def watchdog_role(config: Config) -> str | None:
    """State of this node in the watchdog cluster, in pgpool's own words: LEADER, STANDBY, JOINING, …"""
    try:
        done = pcp(config, "pcp_watchdog_info", "127.0.0.1")
    except subprocess.TimeoutExpired:
        return None
    return parse_watchdog_role(done.stdout) if done.returncode == 0 else None


def parse_watchdog_role(text: str) -> str | None:
    """The local node's state from pcp_watchdog_info: a summary line, then one line a node, the local one first.

    Each node's line ends with: host, pgpool port, watchdog port, state number, state name, membership number, its name
    (pgpool-II 4.3 manual, pcp_watchdog_info). Names of nodes can contain spaces, so the state is found by its number.
    """
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        return None
    words = lines[1]
    for index in range(1, len(words)):
        if words[index].isupper() and words[index].isalpha() and words[index - 1].isdigit():
            return words[index]
    return None


def backends(config: Config) -> list[dict[str, str]]:
    """What `show pool_nodes` says to a client of this pgpool; empty when it does not answer in time."""
    command = [f"{config['postgresql']['client_bin']}/psql", "-Xw", "--csv", "-h", "127.0.0.1"]
    command += ["-p", str(config["pgpool"]["port"]), "-U", config["users"]["check"], "-d", "postgres"]
    command += ["-c", "show pool_nodes"]
    environment = {
        **os.environ,
        "PGPASSFILE": "/var/lib/postgresql/.pgpass",
        "PGCONNECT_TIMEOUT": str(ANSWER_SECONDS),
    }
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=ANSWER_SECONDS, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return []
    return parse_pool_nodes(done.stdout) if done.returncode == 0 else []


STATUS = {"1": "waiting", "2": "up", "3": "down"}
"""Versions before 3.7 print numbers."""


def parse_pool_nodes(text: str) -> list[dict[str, str]]:
    """Rows of `show pool_nodes` by column name: columns were added with almost every version."""
    return [
        {"name": row["hostname"], "status": STATUS.get(row["status"], row["status"]), "role": row["role"]}
        for row in csv.DictReader(text.splitlines())
    ]


def pcp(config: Config, program: str, host: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One PCP command; the password comes from a file. Raises subprocess.TimeoutExpired."""
    pgpool = config["pgpool"]
    command = [
        f"{pgpool['prefix']}/bin/{program}",
        "-h",
        host,
        "-p",
        str(pgpool["pcp_port"]),
        "-U",
        "pcp",
        "-w",
    ]
    return subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        timeout=ANSWER_SECONDS,
        env={**os.environ, "PCPPASSFILE": PCP_PASSWORDS},
        check=False,
    )


def attach(config: Config, host: str, backend_id: int) -> bool:
    """Attach a backend through the pgpool on `host`; False when it refuses, as it does during a failover."""
    try:
        return pcp(config, "pcp_attach_node", host, "-n", str(backend_id)).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def apply(config: Config) -> str:
    """Start the service, or restart it when its configuration differs from the one it was started with."""
    if config["auth"] != "trust":
        write_pool_passwd(config)
    files = sorted(Path(config["pgpool"]["prefix"], "etc").glob("*"))
    now = hashlib.sha256(b"".join(file.read_bytes() for file in files if file.name != "pool_passwd")).hexdigest()
    if not is_running(config):
        action = "start"
    elif not STARTED.is_file() or STARTED.read_text() != now:
        action = "restart"
    else:
        return "running"
    if systemctl(action, config["pgpool"]["service"]) != 0:
        raise RuntimeError(f"systemctl {action} {config['pgpool']['service']} failed: see journalctl -u")
    STARTED.write_text(now)
    if action == "restart":
        wait_for_role(config)
    return f"{action}ed"


def stop(config: Config) -> str:
    """Stop the service; the virtual IP goes with it. Raises RuntimeError."""
    if systemctl("stop", config["pgpool"]["service"]) != 0:
        raise RuntimeError(f"systemctl stop {config['pgpool']['service']} failed: see journalctl -u")
    return "stopped"


SETTLED = ("LEADER", "STANDBY")
"""States of a watchdog that has found its place."""


def wait_for_role(config: Config, seconds: float = 90) -> None:
    """Wait until the watchdog has settled here: only then may the next pgpool be restarted."""
    deadline = time.monotonic() + seconds
    while watchdog_role(config) not in SETTLED:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the watchdog did not settle within {seconds:.0f} s")
        time.sleep(0.5)


def write_pool_passwd(config: Config) -> None:
    """Make pool_passwd with pgpool's own tool, which reads the passwords from a file that only root can read.

    pgpool needs the plain passwords to log into the backends by scram: it keeps them encrypted with the key in
    ~/.pgpoolkey (pgpool-II manual, "Authentication file format").
    """
    import json

    secrets = json.loads(SECRETS.read_text())
    users = "".join(f"{user}:{secrets[part]}\n" for part, user in config["users"].items() if part != "replication")
    prefix = Path(config["pgpool"]["prefix"])
    target = prefix / "etc" / "pool_passwd"
    stamp = target.with_name("pool_passwd.of")
    wanted = hashlib.sha256((users + secrets["pgpool_key"]).encode()).hexdigest()
    if target.is_file() and stamp.is_file() and stamp.read_text() == wanted:
        return
    target.unlink(missing_ok=True)
    folder = Path("/run/pgpool-lab-passwords")
    folder.mkdir(mode=0o700, exist_ok=True)
    source = folder / "users"
    try:
        source.write_text(users)
        subprocess.run(["chown", "-R", "postgres:postgres", str(folder)], check=True)
        encrypt = [str(prefix / "bin" / "pg_enc"), "-m", "-k", "/var/lib/postgresql/.pgpoolkey"]
        encrypt += ["-f", str(prefix / "etc" / "pgpool.conf"), "-i", str(source)]
        done = subprocess.run(
            ["runuser", "-u", "postgres", "--", *encrypt], capture_output=True, text=True, check=False
        )
        if done.returncode != 0 or not target.is_file():
            raise RuntimeError(f"pg_enc failed: {done.stderr.strip()}")
    finally:
        source.unlink(missing_ok=True)
        folder.rmdir()
    target.chmod(0o600)
    stamp.write_text(wanted)


def systemctl(*arguments: str) -> int:
    """Exit code of a systemctl call."""
    return subprocess.run(["systemctl", *arguments], check=False).returncode


def by_name(config: Config, name: str) -> Mapping[str, Any]:
    """A node's entry in the configuration."""
    nodes: Sequence[Mapping[str, Any]] = config["nodes"]
    return next(node for node in nodes if node["name"] == name)
