"""pgpool on this node: what it is and believes, starting it, attaching backends."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import elders, pcp
from .configuration import PASSWORDS, SECRETS, Config
from .passwords import stored

STARTED = Path("/run/pgpool-lab-started")
"""Hash of the configuration with which the service was started last, and the number that the watchdog knows it by;
gone after a reboot, as the service is."""
RENUMBERED = "renumbered"
"""What `apply` says when it leaves a running pgpool alone because it is known by another number than it is to have."""

PCP_SECONDS = 6
"""How long a PCP command may take. During a failover pgpool answers late or not: no answer is an answer, too."""
SESSION_SECONDS = 15
"""The same for a session, which costs a second of an emulated processor here and some of one on every other node. Asked
on all nodes at once, beside a workload and on a slow machine, `facts` took 14 s; with 6 s for this a healthy cluster
was not found so within four minutes."""

PCP_PASSWORDS = "/var/lib/postgresql/.pcppass"


def facts(config: Config) -> dict[str, Any]:
    """Whether pgpool runs here, its watchdog role, its lifecheck, and what it believes of each backend."""
    running = is_running(config)
    return {
        "running": running,
        "watchdog_role": watchdog_role(config) if running else None,
        "lifecheck": elders.lifecheck(config) if running else None,
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


def release_vip() -> None:
    """Take the virtual IP off this node, if it has it. Raises RuntimeError."""
    done = subprocess.run(["/usr/local/sbin/lab-vip", "down"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"lab-vip down: {done.stderr.strip()}")


def is_running(config: Config) -> bool:
    """Whether the service is active (a hung pgpool is)."""
    return systemctl("is-active", "--quiet", config["pgpool"]["service"]) == 0


def watchdog_role(config: Config) -> str | None:
    """State of this node in the watchdog cluster, in pgpool's own words: LEADER, STANDBY, JOINING, …

    3.2 tells nobody: there, whoever holds the virtual IP leads.
    """
    if config["pgpool"]["watchdog_info"] == "none":
        return "LEADER" if holds_vip(config) else "STANDBY"
    return pcp.watchdog_role(watchdog_info(config))


def watchdog_info(config: Config, host: str = "127.0.0.1") -> str:
    """What the pgpool on `host` says of the watchdog cluster; empty when it does not answer in time."""
    try:
        done = run_pcp(config, "pcp_watchdog_info", host)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout if done.returncode == 0 else ""


def backends(config: Config, host: str = "127.0.0.1") -> list[dict[str, str]]:
    """What the pgpool on `host` believes of every backend; empty when it does not answer in time.

    One that holds all backends for down ends every session; it still answers PCP.
    """
    shown = shown_backends(config, host)
    return backends_by_pcp(config, host) if shown is None else shown


def shown_backends(config: Config, host: str) -> list[dict[str, str]] | None:
    """The same in a session; empty when it does not answer in time, None when it ends the session."""
    command = [*client(config, host), "-c", f"show {config['pgpool']['backends_shown_by']}"]
    environment = {
        **os.environ,
        "PGPASSFILE": PASSWORDS,
        "PGCONNECT_TIMEOUT": str(SESSION_SECONDS),
    }
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SESSION_SECONDS, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return []
    return parse_backends(done.stdout) if done.returncode == 0 else None


def client(config: Config, host: str) -> list[str]:
    """psql on the pgpool of `host`, with its answers as CSV by options that it had before it had --csv (12)."""
    command = [f"{config['postgresql']['client_bin']}/psql", "-XAqw", "-F,", "-P", "footer=off", "-h", host]
    return [*command, "-p", str(config["pgpool"]["port"]), "-U", config["users"]["check"], "-d", "postgres"]


def backends_by_pcp(config: Config, host: str) -> list[dict[str, str]]:
    """What pcp_node_info says of every backend; empty when one of them can't be asked about."""
    found = []
    for node in config["nodes"]:
        if (backend := backend_by_pcp(config, host, node)) is None:
            return []
        found.append(backend)
    return found


def backend_by_pcp(config: Config, host: str, node: Mapping[str, Any]) -> dict[str, str] | None:
    """What pcp_node_info says of one backend; None when the pgpool on `host` does not answer in time."""
    try:
        done = run_pcp(config, "pcp_node_info", host, node["backend_id"])
    except subprocess.TimeoutExpired:
        return None
    return {"name": node["name"], **pcp.backend(done.stdout)} if done.returncode == 0 else None


def parse_backends(text: str) -> list[dict[str, str]]:
    """Rows of `show pool_nodes` or `show pool_backend_stats` by column name: almost every version added some."""
    return [
        {"name": row["hostname"], "status": pcp.STATUS.get(row["status"], row["status"]), "role": row["role"]}
        for row in csv.DictReader(text.splitlines())
    ]


def run_pcp(config: Config, program: str, host: str, node: int | None = None) -> subprocess.CompletedProcess[str]:
    """One PCP command. Raises subprocess.TimeoutExpired."""
    positional = config["pgpool"]["pcp_syntax"] == "positional"
    password = secrets()["pcp"] if positional else ""
    return subprocess.run(
        pcp.command(config["pgpool"], program, host, seconds=PCP_SECONDS, password=password, node=node),
        capture_output=True,
        text=True,
        timeout=PCP_SECONDS,
        env={**os.environ, "PCPPASSFILE": PCP_PASSWORDS},
        check=False,
    )


def attach(config: Config, host: str, backend_id: int) -> bool:
    """Attach a backend through the pgpool on `host`; False when it refuses, as it does during a failover."""
    try:
        return run_pcp(config, "pcp_attach_node", host, backend_id).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def secrets() -> dict[str, str]:
    """The lab's passwords; only root can read them."""
    import json

    content: dict[str, str] = json.loads(SECRETS.read_text())
    return content


def apply(config: Config) -> str:
    """Start the service; restart it when its configuration differs from the one it was started with, or it is down.

    Returns once the next node's can be started as well. One whose number among the watchdog's members has changed is
    left as it is: peers that go by the old numbers let nobody in by a new one (RENUMBERED).
    """
    if config["auth"] != "trust":
        write_pool_passwd(config)
    files = sorted(Path(config["pgpool"]["prefix"], "etc").glob("*"))
    # Not what is read anew each time: the passwords, and the scripts that it calls.
    read_once = [file for file in files if file.name != "pool_passwd" and file.suffix != ".sh"]
    now = hashlib.sha256(b"".join(file.read_bytes() for file in read_once)).hexdigest()
    number = [file.read_text().strip() for file in files if file.name == "pgpool_node_id"]
    before = STARTED.read_text().split() if STARTED.is_file() else []
    if not is_running(config):
        action = "start"
    elif before and before[1:] != number:
        return RENUMBERED
    elif before != [now, *number] or elders.lifecheck(config) == "down":
        action = "restart"
    else:
        return "running"
    if config["pgpool"]["election"] == "oldest":
        start_in_turn(config, action)
    elif systemctl(action, config["pgpool"]["service"]) != 0:
        raise RuntimeError(f"systemctl {action} {config['pgpool']['service']} failed: see journalctl -u")
    STARTED.write_text(" ".join([now, *number]))
    if action == "restart":
        wait_for_role(config)
    return f"{action}ed"


def start_in_turn(config: Config, action: str) -> None:
    """Start or restart a pgpool that must neither start while another takes over nor at the same time as another."""
    service = config["pgpool"]["service"]
    if action == "restart":
        stop(config)
        elders.await_takeover(config)
    logged = elders.LOG.stat().st_size if elders.LOG.is_file() else 0
    if systemctl("start", service) != 0:
        raise RuntimeError(f"systemctl start {service} failed: see journalctl -u")
    elders.await_watchdog(config, lambda: is_running(config), logged)


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
    """Make pool_passwd in the form that this pgpool can best use (pgpool-II manual, "Authentication file format")."""
    known = secrets()
    passwords = {user: known[part] for part, user in config["users"].items() if part != "replication"}
    form = config["pgpool"]["pool_passwd"]
    target = Path(config["pgpool"]["prefix"]) / "etc" / "pool_passwd"
    stamp = target.with_name("pool_passwd.of")
    wanted = hashlib.sha256(f"{form} {passwords} {known['pgpool_key']}".encode()).hexdigest()
    if target.is_file() and stamp.is_file() and stamp.read_text() == wanted:
        return
    target.unlink(missing_ok=True)
    if form == "aes":
        encrypt_passwords(config, passwords, target)
    else:
        target.touch(mode=0o600)
        shutil.chown(target, "postgres", "postgres")
        target.write_text("".join(f"{user}:{entry(form, user, given)}\n" for user, given in passwords.items()))
    target.chmod(0o600)
    stamp.write_text(wanted)


def entry(form: str, user: str, password: str) -> str:
    """A password as pool_passwd holds it: `md5`, or `text` where pgpool needs the password itself."""
    return stored("md5", user, password) if form == "md5" else f"TEXT{password}"


def encrypt_passwords(config: Config, passwords: Mapping[str, str], target: Path) -> None:
    """Make pool_passwd with pgpool's own tool, which reads the passwords from a file for the service account alone.

    pgpool needs the plain passwords to log into the backends by scram: it keeps them encrypted with the key in
    ~/.pgpoolkey.
    """
    prefix = target.parent.parent
    folder = Path("/run/pgpool-lab-passwords")
    folder.mkdir(mode=0o700, exist_ok=True)
    source = folder / "users"
    try:
        source.write_text("".join(f"{user}:{password}\n" for user, password in passwords.items()))
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


def systemctl(*arguments: str) -> int:
    """Exit code of a systemctl call."""
    return subprocess.run(["systemctl", *arguments], check=False).returncode
