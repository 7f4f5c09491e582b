"""Role changes in the form of each PostgreSQL version, and what is read where a view is missing."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from components.cluster.node_configuration import dialect
from pgpool_lab.node import actions, facts, failover, pgpool, receiver, role, settings
from pgpool_lab.node.configuration import StepFailed
from pgpool_lab.node.pcp import command
from pgpool_lab.versions.postgresql import traits

RECOVERY_CONF = ("9.4", "9.6", "11")
SIGNAL = ("12", "15", "17")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(shutil, "chown", lambda *_: None)
    monkeypatch.setattr(actions, "log", lambda message: None)
    (tmp_path / "data").mkdir()
    return {
        "name": "node4",
        "nodes": [
            {"name": "node0", "ip": "192.168.31.133", "backend_id": 0},
            {"name": "node4", "ip": "192.168.31.134", "backend_id": 1},
        ],
        "postgresql": {
            "bin": str(tmp_path / "bin"),
            "data_directory": str(tmp_path / "data"),
            "replication_conf": str(tmp_path / "replication.conf"),
            "config_file": "/etc/pgpool-lab/postgresql/postgresql.conf",
            "port": 5432,
            "service": "lab-postgresql.service",
            "replication": "sync",
            "dialect": {},
        },
        "users": {"superuser": "postgres", "replication": "replication", "check": "pgpool_check"},
    }


def recording(done: list[list[str]], result: str = "") -> Callable[..., str]:
    """A stand-in that keeps what it is asked to run; `sync` doesn't matter."""

    def run(command: Sequence[str], **_: object) -> str:
        if command[0] != "sync":
            done.append(list(command))
        return result

    return run


def speaking(config: dict[str, Any], version: str) -> Path:
    """The data directory, with a server of that version."""
    config["postgresql"]["dialect"] = dialect(traits(version))
    return Path(config["postgresql"]["data_directory"])


@pytest.mark.parametrize("version", RECOVERY_CONF)
def test_until_11_a_standby_is_made_by_recovery_conf(config: dict[str, Any], version: str) -> None:
    directory = speaking(config, version)
    role.write_replication_conf(config, "node0")
    role.make_standby(config, directory, "node0")
    lines = (directory / "recovery.conf").read_text().splitlines()
    assert lines[0] == "standby_mode = 'on'"
    assert lines[1].startswith("primary_conninfo = 'host=192.168.31.133 port=5432 user=replication")
    assert lines[2] == "recovery_target_timeline = 'latest'"
    # A server that old does not start with these among its own parameters.
    assert "primary_conninfo" not in Path(config["postgresql"]["replication_conf"]).read_text()
    assert not (directory / "standby.signal").exists()
    role.make_standby(config, directory, None)
    assert (directory / "recovery.conf").read_text() == "standby_mode = 'on'\n"
    role.make_primary(config, directory)
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize("version", SIGNAL)
def test_since_12_a_standby_is_made_by_a_signal_file(config: dict[str, Any], version: str) -> None:
    directory = speaking(config, version)
    role.write_replication_conf(config, "node0")
    role.make_standby(config, directory, "node0")
    assert [file.name for file in directory.iterdir()] == ["standby.signal"]
    assert (directory / "standby.signal").read_text() == ""
    assert "primary_conninfo" in Path(config["postgresql"]["replication_conf"]).read_text()
    role.make_primary(config, directory)
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize(("version", "names"), [("9.4", '"node0"'), ("9.6", '1 ("node0")'), ("10", 'ANY 1 ("node0")')])
def test_synchronous_standbys_are_named_as_the_version_takes_it(
    config: dict[str, Any], version: str, names: str
) -> None:
    speaking(config, version)
    role.write_replication_conf(config, None)
    text = Path(config["postgresql"]["replication_conf"]).read_text()
    assert f"synchronous_standby_names = '{names}'\n" in text


@pytest.mark.parametrize(("version", "action"), [("9.6", "restart"), ("12", "restart"), ("13", "reload")])
def test_a_running_standby_is_pointed_elsewhere(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, version: str, action: str
) -> None:
    speaking(config, version)
    ran: list[list[str]] = []
    monkeypatch.setattr(actions, "service_active", lambda name: True)
    monkeypatch.setattr(facts, "asked", lambda config: {"in_recovery": True, "streaming_from": "node0", "lsn": None})
    monkeypatch.setattr(actions, "run", recording(ran))
    monkeypatch.setattr(settings, "written", lambda config: {})
    monkeypatch.setattr(settings, "remember", lambda hashes: None)
    actions.follow(config, "node0")
    assert ran == [["systemctl", action, "lab-postgresql.service"]]


@pytest.mark.parametrize(("version", "by_sql"), [("9.4", False), ("11", False), ("12", True)])
def test_a_standby_is_promoted_in_its_version_s_way(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, version: str, by_sql: bool
) -> None:
    speaking(config, version)
    answers = iter([True, True, False, False] if not by_sql else [True, False])
    ran: list[list[str]] = []
    monkeypatch.setattr(actions, "service_active", lambda name: True)
    monkeypatch.setattr(facts, "asked", lambda config: {"in_recovery": next(answers)})
    monkeypatch.setattr(actions, "run", recording(ran))
    monkeypatch.setattr(actions, "psql", lambda config, host, sql, **_: recording(ran)([sql]))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    actions.promote(config)
    assert len(ran) == 1
    assert ("pg_promote(" in ran[0][0]) == by_sql
    assert ("pg_ctl promote -D" in " ".join(ran[0])) != by_sql


@pytest.mark.parametrize(("version", "by_sql"), [("9.6", False), ("15", True)])
def test_the_failover_promotes_through_the_agent_where_there_is_no_function(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, version: str, by_sql: bool
) -> None:
    speaking(config, version)
    asked: list[list[str]] = []
    monkeypatch.setattr(failover, "log", lambda message: None)
    monkeypatch.setattr(failover, "psql", lambda config, host, sql, seconds: recording(asked, "t")([sql]))
    monkeypatch.setattr(failover, "on_node", lambda node, words, seconds: recording(asked)([words]))
    assert failover.promote(config, config["nodes"][1])
    assert ("pg_promote" in asked[0][0]) == by_sql
    assert (asked == [["promote --unasked"]]) != by_sql
    monkeypatch.setattr(failover, "on_node", lambda node, words, seconds: "no answer")
    assert failover.promote(config, config["nodes"][1]) == by_sql


REWINDS: dict[str, tuple[str, list[str], bool]] = {
    "9.6": ("9.6", [], True),
    "12": ("12", ["--no-sync"], True),
    "13": ("13", ["--no-sync"], False),
    "15": ("15", ["--no-sync", "--config-file=/etc/pgpool-lab/postgresql/postgresql.conf"], False),
}


@pytest.mark.parametrize(("version", "options", "recovers"), REWINDS.values(), ids=REWINDS.keys())
def test_pg_rewind_is_called_as_its_version_takes_it(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, version: str, options: list[str], recovers: bool
) -> None:
    speaking(config, version)
    ran = rewinding(config, monkeypatch)
    program = Path(config["postgresql"]["bin"], "pg_rewind")
    program.parent.mkdir()
    program.touch()
    actions.rewind(config, "node0")
    (rewound,) = [words for words in ran if str(program) in words]
    assert rewound[-len(options) or len(rewound) :] == options
    singles = [words for words in ran if "--single" in words]
    assert bool(singles) == recovers
    assert ran.index(rewound) == (1 if recovers else 0), "recovery comes first"


def test_without_pg_rewind_the_data_is_set_aside_and_copied(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    speaking(config, "9.4")
    done: list[str] = []
    monkeypatch.setattr(actions, "set_aside", lambda config, primary: done.append("set aside"))
    monkeypatch.setattr(actions, "clone", lambda config, primary: done.append("cloned"))
    assert not any("pg_rewind" in word for words in rewinding(config, monkeypatch) for word in words)
    actions.rewind(config, "node0")
    assert done == ["set aside", "cloned"]


def rewinding(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Everything around pg_rewind succeeds; gives the list of what will be run."""
    ran: list[list[str]] = []
    monkeypatch.setattr(actions, "refuse_if_primary", lambda config: None)
    monkeypatch.setattr(actions, "source_state", lambda config, source: "f 00000002")
    monkeypatch.setattr(actions, "stop", lambda config: None)
    monkeypatch.setattr(actions, "psql", lambda *_, **__: "")
    monkeypatch.setattr(actions, "follow", lambda config, primary: None)
    monkeypatch.setattr(facts, "controlled", lambda config, directory: {"timeline": 1})
    monkeypatch.setattr(actions, "run", recording(ran))
    return ran


def state(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, answer: str) -> dict[str, Any]:
    monkeypatch.setattr(facts, "psql", lambda *_, **__: answer)
    monkeypatch.setattr(facts, "controlled", lambda config, directory: {"timeline": 3, "system_identifier": "77"})
    return facts.asked(config)


def test_9_4_tells_by_its_processes_and_files_what_it_cannot_by_sql(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = speaking(config, "9.4")
    role.make_standby(config, directory, "node0")
    titles = "postgres: startup process   recovering 000000010000000000000003\n"
    answer = '{"in_recovery": true, "timeline": null, "receiver": null, "system_identifier": null, "lsn": "0/1"}'
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: type("Done", (), {"stdout": titles}))
    assert state(config, monkeypatch, answer)["streaming_from"] is None
    titles += "postgres: wal receiver process   streaming 0/3000060\n"
    known = state(config, monkeypatch, answer)
    assert (known["streaming_from"], known["timeline"], known["system_identifier"]) == ("node0", 3, "77")
    primary = answer.replace("true", "false").replace('"timeline": null', '"timeline": 2')
    assert state(config, monkeypatch, primary)["timeline"] == 2, "what is left of other timelines does not count"


@pytest.mark.parametrize("version", ["9.6", "15"])
def test_later_versions_tell_all_by_sql(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    speaking(config, version)
    answer = '{"in_recovery": true, "timeline": 2, "system_identifier": "5", "lsn": "0/1", "receiver": %s}'
    receiving = '{"status": "streaming", "host": "192.168.31.133"}'
    known = state(config, monkeypatch, answer % receiving)
    assert (known["streaming_from"], known["timeline"], known["system_identifier"]) == ("node0", 2, "5")
    assert state(config, monkeypatch, answer % receiving.replace("streaming", "waiting"))["streaming_from"] is None
    assert state(config, monkeypatch, answer % "null")["streaming_from"] is None


def test_the_host_in_a_recovery_conf() -> None:
    assert receiver.configured_host("primary_conninfo = 'port=1 host=10.0.0.1 user=a'\n") == "10.0.0.1"
    assert receiver.configured_host("standby_mode = 'on'\n") is None


PCP: dict[str, tuple[str, str]] = {
    "positional": ("positional", "/p/bin/pcp_attach_node 6 node0 9898 pcp secret 1"),
    "options": ("options", "/p/bin/pcp_attach_node -h node0 -p 9898 -U pcp -w -n 1"),
}


@pytest.mark.parametrize(("syntax", "expected"), PCP.values(), ids=PCP.keys())
def test_pcp_commands_are_written_as_the_version_takes_them(syntax: str, expected: str) -> None:
    settings = {"prefix": "/p", "pcp_port": 9898, "pcp_syntax": syntax}
    words = command(settings, "pcp_attach_node", "node0", seconds=6, password="secret", node=1)
    assert " ".join(words) == expected
    without = command(settings, "pcp_node_count", "node0", seconds=6, password="secret")
    assert without[1:] == words[1 : -2 if syntax == "options" else -1]


@pytest.mark.parametrize(("vip", "role"), [(True, "LEADER"), (False, "STANDBY")])
def test_pgpool_3_2_leads_where_the_virtual_ip_is(monkeypatch: pytest.MonkeyPatch, vip: bool, role: str) -> None:
    monkeypatch.setattr(pgpool, "holds_vip", lambda config: vip)
    assert pgpool.watchdog_role({"pgpool": {"watchdog_info": "none"}}) == role


def test_pool_passwd_holds_what_pgpool_can_use() -> None:
    assert pgpool.entry("md5", "postgres", "secret") == "md553f48b7c4b76a86ce72276c5755f217d"
    assert pgpool.entry("text", "postgres", "secret") == "TEXTsecret"


def test_a_standby_that_is_not_promoted_in_time_is_a_failure(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    speaking(config, "9.6")
    monkeypatch.setattr(actions, "PROMOTE_SECONDS", 0)
    monkeypatch.setattr(actions, "service_active", lambda name: True)
    monkeypatch.setattr(facts, "asked", lambda config: {"in_recovery": True})
    monkeypatch.setattr(actions, "run", lambda command, **_: "")
    with pytest.raises(StepFailed, match="not promoted within"):
        actions.promote(config)
