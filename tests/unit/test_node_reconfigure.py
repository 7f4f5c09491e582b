"""Settings written while PostgreSQL runs: who reads them again, who is restarted when, and what pgpool sees of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from components.cluster.node_configuration import dialect
from pgpool_lab.node import actions, cluster, configuration, facts, health, locks, reconfigure, settings
from pgpool_lab.node.configuration import Refused, StepFailed
from pgpool_lab.node.reconfigure import Restarts, Unread
from pgpool_lab.node.settings import Pending
from pgpool_lab.versions.postgresql import traits
from tests.unit.facts import Answers, changed, healthy

NODES = ("node0", "node4", "node5")
BOTH = ["access", "settings"]


def answers(**late: list[str]) -> Answers:
    """A healthy lab of three nodes, node4 primary and node0 holding the virtual IP; `late` have read less."""
    found = healthy(NODES, primary="node4")
    for name, what in late.items():
        changed(found, name, "postgres", "unread", to=what)
    return found


def nobody_is_primary(found: Answers) -> Answers:
    changed(found, "node4", "postgres", "running", to=False)
    return changed(found, "node4", "postgres", "in_recovery", to=None)


UNREAD: dict[str, tuple[Answers, Unread]] = {
    "everything was read": (answers(), Unread()),
    "nodes of the version before say nothing": (healthy(NODES), Unread()),
    "parameters changed": (
        answers(node0=["settings"], node4=["settings"]),
        Unread(("node0", "node4"), "node4"),
    ),
    "the way to log in changed: pgpool's checks would fail": (
        answers(node0=["settings"], node5=BOTH),
        Unread(("node0", "node5"), "node4", without_pgpool=True),
    ),
    "a stopped server reads everything at its start": (
        changed(answers(node0=BOTH), "node0", "postgres", "running", to=False),
        Unread(),
    ),
    "nobody is primary: standbys start again by the rules of join": (
        nobody_is_primary(answers(node0=["settings"], node5=["settings"])),
        Unread(stop=("node0", "node5"), without_pgpool=True),
    ),
    "nobody is primary, but one who may be it is silent": (
        nobody_is_primary(answers(node0=["settings"])) | {"node5": None},
        Unread(),
    ),
    "nobody is primary, but one who may be it hangs": (
        changed(nobody_is_primary(answers(node0=["settings"])), "node5", "postgres", "in_recovery", to=None),
        Unread(),
    ),
    "two primaries are for the rules of join to refuse": (
        changed(answers(node0=BOTH), "node0", "postgres", "in_recovery", to=False),
        Unread(),
    ),
}


@pytest.mark.parametrize("case", UNREAD)
def test_who_has_not_read_what_was_written(case: str) -> None:
    given, expected = UNREAD[case]
    assert reconfigure.unread(given) == expected


PORT = Pending("port", "5432", "5433")
MORE = Pending("max_connections", "100", "200")
LESS = Pending("max_wal_senders", "10", "8")
DROPPED = Pending("max_worker_processes", "16", None)

RESTARTS: dict[str, tuple[dict[str, list[Pending]], Restarts]] = {
    "a reload was enough": ({"node0": [], "node4": [], "node5": []}, Restarts()),
    "the primary goes first, its standbys follow it to the new port": (
        {"node0": [PORT], "node4": [PORT], "node5": [PORT]},
        Restarts(("node4", "node0", "node5")),
    ),
    "only a standby waits for a restart": ({"node0": [PORT], "node4": []}, Restarts(("node0",))),
    "a raised limit: a standby must not have less than its primary": (
        {"node0": [MORE], "node4": [MORE, PORT], "node5": [MORE]},
        Restarts(("node0", "node5", "node4")),
    ),
    "a lowered limit: a standby must know that its primary has less": (
        {"node0": [LESS], "node4": [LESS]},
        Restarts(("node4", "node0"), replayed=True),
    ),
    "back to the default is lower": (
        {"node0": [DROPPED], "node4": [DROPPED]},
        Restarts(("node4", "node0"), replayed=True),
    ),
}


@pytest.mark.parametrize("case", RESTARTS)
def test_order_of_restarts(case: str) -> None:
    pending, expected = RESTARTS[case]
    assert reconfigure.restarts("node4", pending) == expected


def test_no_order_suits_raised_and_lowered_limits() -> None:
    with pytest.raises(Refused, match=r"max_connections, max_wal_senders: .*raise first"):
        reconfigure.restarts("node4", {"node0": [MORE, LESS], "node4": [MORE, LESS]})


class Nodes:
    """Nodes that note what they are told, and answer with what they are."""

    def __init__(self, given: Answers, pending: dict[str, list[Pending]], refuse: str = "") -> None:
        self.given, self.pending, self.refuse = given, pending, refuse
        self.told: list[str] = []

    def on_node(self, config: Any, name: str, words: Sequence[str], *, seconds: float) -> str:
        step = " ".join([name, *words[1:]])
        self.told.append(step)
        if step == self.refuse:
            raise StepFailed(step)
        return "some words\n" + json.dumps(self.pending.get(name, [])) + "\n"

    def ask_all(self, config: Any) -> Answers:
        return self.given


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def with_nodes(nodes: Nodes) -> list[str]:
        monkeypatch.setattr(locks, "JOIN", tmp_path / "join")
        monkeypatch.setattr(reconfigure, "on_node", nodes.on_node)
        monkeypatch.setattr(reconfigure, "ask_all", nodes.ask_all)
        monkeypatch.setattr(reconfigure, "claim", lambda config, lock: nodes.given)
        monkeypatch.setattr(cluster, "on_node", nodes.on_node)
        monkeypatch.setattr(cluster, "log", lambda message: None)
        return reconfigure.reconfigure({"name": "node0"})

    return with_nodes


def test_nothing_is_touched_when_everything_was_read(run: Any) -> None:
    nodes = Nodes(answers(), {})
    assert run(nodes) == []
    assert nodes.told == []


def test_a_reload_that_is_enough_leaves_pgpool_alone(run: Any) -> None:
    nodes = Nodes(answers(node0=["settings"], node4=["settings"], node5=["settings"]), {})
    assert run(nodes) == ["reload node0", "reload node4", "reload node5"]
    assert nodes.told == ["node0 reload --primary node4", "node4 reload", "node5 reload --primary node4"]


def test_pgpool_sees_no_restart_and_the_virtual_ip_goes_last(run: Any) -> None:
    nodes = Nodes(answers(**{name: ["settings"] for name in NODES}), {name: [PORT] for name in NODES})
    run(nodes)
    assert nodes.told[3:] == [
        "node4 pgpool-stop",
        "node5 pgpool-stop",
        "node0 pgpool-stop",
        "node4 restart",
        "node0 restart",
        "node5 restart",
    ]


def test_a_witness_that_would_lead_is_stopped_first(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = Nodes(answers(**{name: ["settings"] for name in NODES}), {name: [PORT] for name in NODES})
    monkeypatch.setattr(cluster, "tell_witness", lambda config, verb: nodes.told.append(f"witness {verb}"))
    run(nodes)
    assert nodes.told[3:7] == ["witness pgpool-stop", "node4 pgpool-stop", "node5 pgpool-stop", "node0 pgpool-stop"]


def test_pgpool_sees_no_change_of_the_way_to_log_in(run: Any) -> None:
    nodes = Nodes(answers(**{name: BOTH for name in NODES}), {"node4": [PORT]})
    run(nodes)
    assert [step.split()[1] for step in nodes.told] == ["pgpool-stop"] * 3 + ["reload"] * 3 + ["restart"]


@pytest.mark.parametrize("what", [["settings"], BOTH], ids=["a restart", "another way to log in"])
def test_no_primary_is_restarted_while_a_pgpool_may_see_it(run: Any, what: list[str]) -> None:
    given = answers(node4=what, node5=what) | {"node0": None}
    nodes = Nodes(given, {"node4": [PORT]})
    with pytest.raises(Refused, match=r"^node0: no answer"):
        run(nodes)
    assert {step.split()[1] for step in nodes.told} <= {"reload"}


def test_no_restart_after_one_that_failed(run: Any) -> None:
    nodes = Nodes(answers(**{name: ["settings"] for name in NODES}), {name: [PORT] for name in NODES}, "node4 restart")
    with pytest.raises(StepFailed):
        run(nodes)
    assert nodes.told[-1] == "node4 restart"


def test_a_standby_with_less_waits_until_it_has_replayed_that_its_primary_has_less(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = answers(**{name: ["settings"] for name in NODES})
    behind = [{"name": name, "replay_lsn": "0/5000000"} for name in ("node0", "node5")]
    changed(given, "node4", "postgres", "replicas", to=behind)
    nodes = Nodes(given, {name: [LESS] for name in NODES})
    slept: list[str] = []

    def sleep(seconds: float) -> None:
        slept.append(nodes.told[-1])
        changed(given, "node4", "postgres", "replicas", to=[each | {"replay_lsn": "0/5000100"} for each in behind])

    monkeypatch.setattr(reconfigure.time, "sleep", sleep)  # type: ignore[attr-defined]
    run(nodes)
    assert slept == ["node4 restart"]
    assert nodes.told[-3:] == ["node4 restart", "node0 restart", "node5 restart"]


def test_pgpool_that_was_stopped_for_it_is_started_again() -> None:
    given = answers()
    for name in ("node4", "node5"):
        changed(given, name, "pgpool", "running", to=False)
    assert health.to_start(given) == ["node4", "node5"]
    assert health.to_start(given, stopped_pgpools=["node4"]) == ["node5"]
    assert health.to_start({"node0": None}) == []


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(settings, "READ", tmp_path / "read")
    for name in ("postgresql.conf", "pg_hba.conf"):
        (tmp_path / name).write_text(name)
    return {
        "name": "node0",
        "nodes": [{"name": "node0", "ip": "192.168.31.133", "backend_id": 0}],
        "users": {"superuser": "postgres"},
        "postgresql": {
            "config_file": str(tmp_path / "postgresql.conf"),
            "hba_file": str(tmp_path / "pg_hba.conf"),
            "replication_conf": str(tmp_path / "replication.conf"),
            "data_directory": str(tmp_path / "data"),
            "client_bin": "/bin",
            "service": "lab-postgresql.service",
            "port": 5433,
            "replication": "async",
            "dialect": dialect(traits("15")),
        },
    }


def test_what_a_server_has_not_read(config: dict[str, Any], tmp_path: Path) -> None:
    assert settings.unread(config) == BOTH, "nobody knows what it read"
    settings.remember(settings.written(config))
    assert settings.unread(config) == []
    (tmp_path / "pg_hba.conf").write_text("host all all 0.0.0.0/0 reject")
    assert settings.unread(config) == ["access"]
    config["postgresql"]["replication"] = "sync"
    assert settings.unread(config) == BOTH


def test_a_server_is_asked_on_the_port_that_it_was_started_with(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def run(command: list[str], **_: Any) -> str:
        asked.append(command[command.index("-p") + 1])
        return ""

    monkeypatch.setattr(configuration, "run", run)
    configuration.psql(config, "127.0.0.1", "SELECT 1")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "postmaster.pid").write_text("123\n/data\n1700000000\n5432\n/var/run/postgresql\n")
    configuration.psql(config, "127.0.0.1", "SELECT 1")
    configuration.psql(config, "192.168.31.134", "SELECT 1")
    assert asked == ["5433", "5432", "5433"]


def test_pending_parameters_are_read_from_the_server_s_rows() -> None:
    rows = "port|5432|5433\nmax_connections|200|\n"
    assert settings.parse_pending(rows) == [PORT, Pending("max_connections", "200", None)]


@pytest.fixture
def server(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the running server answers, by statement; a reload changes when it read its files."""
    said = {settings.LOADED: "10:00", settings.ERRORS: "", settings.PENDING: ""}

    def run(command: list[str], **_: Any) -> str:
        said[settings.LOADED] = "10:01"
        return ""

    monkeypatch.setattr(actions, "psql", lambda config, host, sql: said[sql])
    monkeypatch.setattr(actions, "run", run)
    monkeypatch.setattr(actions.shutil, "chown", lambda *_: None)  # type: ignore[attr-defined]
    monkeypatch.setattr(facts, "asked", lambda config: {"in_recovery": False})
    return said


def test_a_reload_that_is_enough_is_remembered(config: dict[str, Any], server: dict[str, str]) -> None:
    assert actions.reload(config, None) == []
    assert settings.unread(config) == []


def test_a_reload_that_is_not_enough_is_not(config: dict[str, Any], server: dict[str, str]) -> None:
    server[settings.PENDING] = "port|5432|5433"
    assert actions.reload(config, None) == [PORT]
    assert settings.unread(config) == BOTH


def test_a_server_that_does_not_tell_what_waits_for_a_restart_is_restarted(
    config: dict[str, Any], server: dict[str, str]
) -> None:
    config["postgresql"]["dialect"] = dialect(traits("9.4"))
    del server[settings.ERRORS], server[settings.PENDING]
    pending = actions.reload(config, None)
    assert reconfigure.restarts("node0", {"node0": pending, "node4": pending}) == Restarts(("node0", "node4"))
    assert settings.unread(config) == BOTH


def test_an_error_in_a_file_ends_the_reload(config: dict[str, Any], server: dict[str, str]) -> None:
    server[settings.ERRORS] = "wal_level: invalid value"
    with pytest.raises(StepFailed, match="wal_level: invalid value"):
        actions.reload(config, None)
    assert settings.unread(config) == BOTH


def test_a_node_whose_role_changed_is_not_reloaded(config: dict[str, Any], server: dict[str, str]) -> None:
    with pytest.raises(StepFailed, match="role changed"):
        actions.reload(config, "node4")
    assert not Path(config["postgresql"]["replication_conf"]).exists()


def test_a_server_that_reads_nothing_is_not_waited_for_forever(
    config: dict[str, Any], server: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "RELOAD_SECONDS", 0)
    monkeypatch.setattr(actions, "run", lambda command, **_: "")
    with pytest.raises(StepFailed, match="did not read its files"):
        actions.reload(config, None)
    server[settings.ERRORS] = "postgresql.conf: syntax error"
    with pytest.raises(StepFailed, match="syntax error"):
        actions.reload(config, None)
