"""The files that make a server a standby or a primary, in the form of its version.

From PostgreSQL 12 on an empty standby.signal and parameters of the server; before, recovery.conf with both.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from . import dialect, receiver
from .configuration import Config, node

SIGNAL = "standby.signal"


def standby_file(config: Config, directory: Path) -> Path:
    """The file in a data directory that makes it a standby's."""
    name: str = dialect.of(config)["standby_file"]
    return directory / name


def recovery_parameters(config: Config, primary: str | None) -> list[str]:
    """Where a standby gets its WAL from; nothing for one that follows nobody."""
    if primary is None:
        return []
    values: dict[str, Any] = {"host": node(config, primary)["ip"], "port": config["postgresql"]["port"]}
    values |= {
        "user": config["users"]["replication"],
        "application_name": config["name"],
        "connect_timeout": 5,
    }
    joined = " ".join(f"{key}={value}" for key, value in values.items())
    return [f"primary_conninfo = '{joined}'", "recovery_target_timeline = 'latest'"]


def make_standby(config: Config, directory: Path, primary: str | None) -> None:
    """Make a data directory a standby's (PostgreSQL manual, "standby.signal"; until 11 "Recovery Configuration").

    `primary` None: it follows nobody, and only replays what it has.
    """
    file = standby_file(config, directory)
    if file.name == SIGNAL:
        file.touch()
    else:
        write(file, ["standby_mode = 'on'", *recovery_parameters(config, primary)])
    shutil.chown(file, "postgres", "postgres")


def make_primary(config: Config, directory: Path) -> None:
    """Take away what makes a data directory a standby's."""
    standby_file(config, directory).unlink(missing_ok=True)


def followed(config: Config) -> str | None:
    """Whom this node is set up to follow, whether or not it does; None: nobody, or no node of the lab."""
    file = standby_file(config, Path(config["postgresql"]["data_directory"]))
    if file.name == SIGNAL:
        file = Path(config["postgresql"]["replication_conf"])
    host = receiver.configured_host(file.read_text()) if file.is_file() else None
    return next((entry["name"] for entry in config["nodes"] if host in (entry["ip"], entry["name"])), None)


def write_replication_conf(config: Config, primary: str | None) -> bool:
    """What depends on the role among the server's parameters; gives whether it changed.

    Whom a new primary waits for is configured on every node beforehand.
    """
    postgres = config["postgresql"]
    lines = ["# Written by lab-node."]
    if postgres["replication"] == "sync":
        others = ", ".join(f'"{entry["name"]}"' for entry in config["nodes"] if entry["name"] != config["name"])
        lines.append(f"synchronous_standby_names = '{dialect.of(config)['synchronous_standbys'].format(others)}'")
    if dialect.of(config)["standby_file"] == SIGNAL:
        lines += recovery_parameters(config, primary)
    path = Path(postgres["replication_conf"])
    if path.is_file() and path.read_text().splitlines() == lines:
        return False
    write(path, lines)
    shutil.chown(path, "postgres", "postgres")
    return True


def write(path: Path, lines: list[str]) -> None:
    """Write a file's lines; nobody sees it half-written."""
    new = path.with_name(path.name + ".new")
    new.write_text("".join(f"{line}\n" for line in lines))
    new.replace(path)
