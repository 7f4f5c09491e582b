"""What a node writes for its PostgreSQL, and what it never does to data."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from components.cluster.node_configuration import dialect
from components.postgres import postgres
from pgpool_lab.node import actions, facts, failover, locks
from pgpool_lab.node.configuration import GaveWay, StepFailed
from pgpool_lab.node.passwords import stored
from pgpool_lab.node.role import write_replication_conf
from pgpool_lab.rendering import render
from pgpool_lab.versions.postgresql import traits


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(shutil, "chown", lambda *_: None)
    monkeypatch.setattr(actions, "log", lambda message: None)
    monkeypatch.setattr(facts, "FSTAB", tmp_path / "fstab")
    (tmp_path / "fstab").touch()
    return {
        "name": "node4",
        "nodes": [
            {"name": "node0", "ip": "192.168.31.133", "backend_id": 0},
            {"name": "node4", "ip": "192.168.31.134", "backend_id": 1},
        ],
        "postgresql": {
            "data_directory": str(tmp_path / "data"),
            "replication_conf": str(tmp_path / "replication.conf"),
            "port": 5432,
            "service": "lab-postgresql.service",
            "replication": "async",
            "dialect": dialect(traits("15")),
        },
        "users": {"superuser": "postgres", "replication": "replication", "check": "pgpool_check"},
    }


def test_replication_conf(config: dict[str, Any]) -> None:
    path = Path(config["postgresql"]["replication_conf"])
    assert write_replication_conf(config, "node0") is True
    text = path.read_text()
    assert "host=192.168.31.133 port=5432 user=replication application_name=node4" in text
    assert "password" not in text
    assert write_replication_conf(config, "node0") is False
    assert write_replication_conf(config, None) is True
    assert "primary_conninfo" not in path.read_text()


def test_synchronous_replication_waits_for_the_others(config: dict[str, Any]) -> None:
    config["postgresql"]["replication"] = "sync"
    for primary in (None, "node0"):
        write_replication_conf(config, primary)
        text = Path(config["postgresql"]["replication_conf"]).read_text()
        assert """synchronous_standby_names = 'ANY 1 ("node0")'""" in text


def test_users_are_made_a_statement_a_line() -> None:
    users = {"superuser": "postgres", "replication": "replication", "check": "pgpool_check"}
    secrets = {"superuser": "a", "replication": "b", "check": "c"}
    config = {"users": users, "password_encryption": "md5", "postgresql": {"dialect": dialect(traits("15"))}}
    statements = actions.users_sql(config, secrets).splitlines()
    assert all(statement.endswith(";") for statement in statements)
    assert f"CREATE ROLE replication LOGIN REPLICATION PASSWORD '{stored('md5', 'replication', 'b')}';" in statements
    assert not any(f"'{secret}'" in statement for secret in secrets.values() for statement in statements)
    assert "GRANT pg_monitor TO pgpool_check;" in statements


def test_data_is_never_replaced(config: dict[str, Any]) -> None:
    directory = Path(config["postgresql"]["data_directory"])
    actions.refuse_if_present(directory)
    (directory / "global").mkdir(parents=True)
    (directory / "PG_VERSION").touch()
    actions.refuse_if_present(directory)
    (directory / "global" / "pg_control").touch()
    with pytest.raises(StepFailed, match="not overwritten"):
        actions.refuse_if_present(directory)
    with pytest.raises(StepFailed, match="not overwritten"):
        actions.clone(config, "node0")


@pytest.mark.parametrize("step", [actions.follow, actions.follow_or_clone, actions.rewind])
def test_a_running_primary_follows_nobody(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, step: Any) -> None:
    monkeypatch.setattr(actions, "service_active", lambda name: True)
    monkeypatch.setattr(facts, "asked", lambda config: {"in_recovery": False})
    with pytest.raises(StepFailed, match="running primary"):
        step(config, "node0")
    assert not Path(config["postgresql"]["replication_conf"]).exists()


def test_only_the_latest_diverged_data_is_kept(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "source_state", lambda config, source: "f 00000002")
    monkeypatch.setattr(actions, "stop", lambda config: None)
    directory = Path(config["postgresql"]["data_directory"])
    older = directory.with_name("data.diverged-20260101-000000")
    older.mkdir()
    directory.mkdir()
    (directory / "kept").touch()
    actions.set_aside(config, "node0")
    (aside,) = directory.parent.glob("data.diverged-*")
    assert (aside / "kept").exists()
    assert aside != older
    assert not directory.exists()


def test_nothing_is_set_aside_without_a_source(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(config: Any, source: Any) -> str:
        raise StepFailed("no answer")

    monkeypatch.setattr(actions, "source_state", unreachable)
    directory = Path(config["postgresql"]["data_directory"])
    directory.mkdir()
    with pytest.raises(StepFailed, match="no answer"):
        actions.set_aside(config, "node0")
    assert directory.exists()


def test_a_standby_that_waits_for_a_dead_primary_gives_way_to_its_promotion(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    directory = Path(config["postgresql"]["data_directory"])
    directory.mkdir()
    service = Service(monkeypatch)
    monkeypatch.setattr(locks, "WANTED", tmp_path / "wanted")
    monkeypatch.setattr(facts, "asked", lambda config: {"in_recovery": True, "streaming_from": None, "lsn": None})
    monkeypatch.setattr(actions, "source_state", lambda config, source: "f 00000002")
    with locks.WANTED.open("w") as wanted:
        locks.take(wanted)
        with pytest.raises(GaveWay, match="to be promoted"):
            actions.follow_or_clone(config, "node0")
    assert service.told == ["reload"], "nothing is tried in its place"
    assert directory.exists()


@pytest.mark.parametrize("outcome", ["rewound", "its source goes away"])
def test_data_that_was_rewound_half_way_passes_for_nobody_s(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, outcome: str, tmp_path: Path
) -> None:
    directory = Path(config["postgresql"]["data_directory"])
    (directory / "global").mkdir(parents=True)
    (directory / "global" / "pg_control").touch()
    (directory / "PG_VERSION").touch()
    config["postgresql"] |= {"bin": str(tmp_path), "config_file": "/etc/postgresql.conf"}
    (tmp_path / "pg_rewind").touch()
    gone: list[str] = []

    def source_state(config: Any, source: Any) -> str:
        if gone:
            raise StepFailed("no answer")
        return "f 00000002"

    def run(command: list[str], **_: object) -> str:
        if any(word.endswith("pg_rewind") for word in command):
            assert facts.data_state(directory) == "partial", "a crash now must not leave it for whole"
            if outcome != "rewound":
                gone.append("node0")
                raise StepFailed("could not connect")
        return ""

    monkeypatch.setattr(actions, "source_state", source_state)
    monkeypatch.setattr(actions, "run", run)
    monkeypatch.setattr(actions, "psql", lambda *_, **__: "")
    monkeypatch.setattr(actions, "service_active", lambda name: False)
    monkeypatch.setattr(facts, "controlled", lambda config, directory: {"timeline": 1})
    for step in ("stop", "follow"):
        monkeypatch.setattr(actions, step, lambda *_: None)
    if outcome == "rewound":
        actions.rewind(config, "node0")
        assert facts.data_state(directory) == "present"
    else:
        with pytest.raises(StepFailed, match="no answer"):
            actions.rewind(config, "node0")
        assert facts.data_state(directory) == "partial"


class Service:
    """systemd's view of PostgreSQL."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[str] = []
        monkeypatch.setattr(actions, "service_active", lambda name: True)
        monkeypatch.setattr(actions, "run", lambda command, **_: self.told.append(command[1]))
        monkeypatch.setattr(time, "sleep", lambda seconds: None)


def test_a_clean_stop_says_that_it_is_under_way(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "STOP", tmp_path / "stop")
    held: list[bool] = []
    monkeypatch.setattr(actions, "run", lambda command, **_: held.append(locks.is_held(locks.STOP)))
    actions.stop(config)
    assert held == [True]


KILL = ["kill --signal=SIGKILL lab-postgresql.service"]
FENCED: dict[str, tuple[dict[str, str], list[str]]] = {
    "it runs": ({"postmaster.pid": "1\n/data\n0\n5432\n\n*\n1 2\nready   \n"}, KILL),
    "it has ended": ({}, []),
    "it has not ended in time": ({"postmaster.pid": "stopping\n"}, KILL),
    "it has come back as a standby": ({"postmaster.pid": "standby\n", "standby.signal": ""}, []),
}


@pytest.mark.parametrize(("files", "told"), FENCED.values(), ids=FENCED.keys())
def test_who_is_fenced_ends_at_once_or_when_it_stops_anyway(
    files: dict[str, str], told: list[str], tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert fenced(tmp_path) == ("", told)


def test_the_fence_leaves_a_stop_of_the_agent_s_alone_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "postmaster.pid").write_text("ready\n")
    with (tmp_path / "stop").open("w") as lock:
        locks.take(lock)
        assert fenced(tmp_path) == (failover.UNDER_WAY, [])


def fenced(folder: Path) -> tuple[str, list[str]]:
    """What the fence says on a data directory, and what it tells systemd."""
    told = folder / "told"
    (folder / "systemctl").write_text(f'#!/bin/sh\necho "$*" >>{told}\n')
    (folder / "systemctl").chmod(0o755)
    text = render(
        postgres.TEMPLATES / "lab-fence.j2",
        lock=folder / "stop",
        under_way=failover.UNDER_WAY,
        data_directory=folder,
        standby_file=folder / "standby.signal",
        service="lab-postgresql.service",
    )
    environment = {"PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", text], env=environment, capture_output=True, text=True, timeout=20, check=False
    )
    return done.stderr.strip(), told.read_text().splitlines() if told.exists() else []


def test_a_node_that_is_promoted_while_it_follows_keeps_its_data(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = Path(config["postgresql"]["data_directory"])
    directory.mkdir()
    answers = itertools.chain([True, True], itertools.repeat(False))
    service = Service(monkeypatch)
    monkeypatch.setattr(
        facts, "asked", lambda config: {"in_recovery": next(answers), "streaming_from": None, "lsn": None}
    )
    monkeypatch.setattr(actions, "source_state", lambda config, source: "f 00000002")
    with pytest.raises(StepFailed, match="running primary"):
        actions.follow_or_clone(config, "node0")
    assert service.told == ["reload"]
    assert directory.exists()
    assert list(directory.iterdir()) == [], "the fence spares who looks like a standby"


@pytest.mark.parametrize("positions", [["0/100"], ["0/100", "0/200", "0/300"]], ids=["nothing was left", "some was"])
def test_a_standby_of_nobody_has_replayed_what_it_has(
    positions: list[str], config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = iter([*positions, *[positions[-1]] * 10])
    asked: list[str] = []
    clock = iter(range(10_000))

    def ask(config: Any) -> dict[str, str]:
        asked.append(next(told))
        return {"lsn": asked[-1]}

    monkeypatch.setattr(actions, "start_alone", lambda config: None)
    monkeypatch.setattr(actions, "log", lambda message: None)
    monkeypatch.setattr(facts, "asked", ask)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(actions, "STILL_SECONDS", 10)
    actions.start_standby(config)
    assert asked[: len(positions)] == positions
    assert asked.count(positions[-1]) > 1, "it goes on looking for a while"
    monkeypatch.setattr(facts, "asked", lambda config: {"lsn": str(next(clock))})
    with pytest.raises(StepFailed, match="goes on after"):
        actions.start_standby(config)
