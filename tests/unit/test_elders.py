"""pgpools before 3.5, which have no vote: in which order they start, and when they check each other."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from pgpool_lab.node import elders, health, pgpool
from pgpool_lab.versions.pgpool import traits
from tests.unit.facts import changed, healthy

STARTED = "2014-09-03 10:00:00 LOG:   pid 812: wd_init: start watchdog\n"
WORKING = "2014-09-03 10:01:40 LOG:   pid 815: watchdog: lifecheck started\n"
DOWN = "2014-09-03 10:09:00 ERROR: pid 815: wd_lifecheck: watchdog status is DOWN.\n"

LOGS: dict[str, tuple[str, str | None]] = {
    "another version's": ("LOG:  watchdog node state changed\n", None),
    "before all peers answered": (STARTED, "waiting"),
    "afterwards": (STARTED + WORKING + "LOG: pid 9: connection received\n", "working"),
    "after a long failover": (STARTED + WORKING + DOWN, "down"),
    "3.4's words": ("2015-02-04 10:00:00: pid 812: LOG:  watchdog started\n", "waiting"),
    "restarted": (STARTED + WORKING + DOWN + STARTED, "waiting"),
}


@pytest.mark.parametrize(("log", "state"), LOGS.values(), ids=LOGS.keys())
def test_the_log_tells_where_the_lifecheck_stands(log: str, state: str | None) -> None:
    assert elders.state_of(log) == state


@pytest.mark.parametrize(
    ("release", "state"), [("3.2.9", "waiting"), ("3.4.26", "waiting"), ("3.5.28", None), ("4.3.5", None)]
)
def test_the_log_is_looked_at_where_nothing_else_tells(
    release: str, state: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elders, "LOG", tmp_path / "pgpool.log")
    config = {"pgpool": {"lifecheck_seen_in": traits(release).lifecheck_seen_in}}
    assert elders.lifecheck(config) is None, "nothing was logged yet"
    elders.LOG.write_text(STARTED)
    assert elders.lifecheck(config) == state


def test_a_lab_is_healthy_only_when_every_pgpool_checks_its_peers() -> None:
    waiting = changed(healthy(), "node4", "pgpool", "lifecheck", to="waiting")
    assert health.problems(waiting) == ["pgpool on node4 does not check its peers yet"]
    assert health.problems(changed(waiting, "node4", "pgpool", "lifecheck", to="working")) == []


@pytest.mark.parametrize("missing", ["silent", "stopped"])
def test_who_cannot_check_a_missing_peer_is_not_waited_for(missing: str) -> None:
    answers = changed(healthy(), "node4", "pgpool", "lifecheck", to="waiting")
    gone: Any = {"running": False, "watchdog_role": None, "lifecheck": None, "backends": []}
    path = ["node0"] if missing == "silent" else ["node0", "pgpool"]
    changed(answers, *path, to=None if missing == "silent" else gone)
    assert [problem for problem in health.problems(answers) if "peers" in problem] == []


def test_a_pgpool_that_has_declared_itself_down_is_named_with_what_mends_it() -> None:
    answers = changed(healthy(), "node4", "pgpool", "lifecheck", to="down")
    assert health.problems(answers) == ["pgpool on node4 has declared itself down; ./lab rejoin node4 restarts it"]


class Service:
    """pgpool's service, with a watchdog that listens once it was looked at a few times."""

    def __init__(self, config: dict[str, Any], log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.config, self.log = config, log
        self.done: list[str] = []
        self.running = False
        self.looks = 3
        self.ends_with: str | None = None
        monkeypatch.setattr(elders, "LOG", log)
        monkeypatch.setattr(pgpool, "STARTED", log.with_name("started"))
        monkeypatch.setattr(pgpool, "systemctl", self.systemctl)
        monkeypatch.setattr(pgpool, "holds_vip", lambda config: False)
        monkeypatch.setattr(elders, "listens", self.listens)
        monkeypatch.setattr(time, "sleep", lambda seconds: None)
        monkeypatch.setattr(subprocess, "run", self.run)

    def systemctl(self, *words: str) -> int:
        if words[0] == "is-active":
            return 0 if self.running else 3
        self.done.append(words[0])
        self.running = words[0] != "stop" and self.ends_with is None
        if words[0] == "start":
            self.log.open("a").write(self.ends_with or STARTED)
        return 0

    def listens(self, port: int) -> bool:
        self.done.append("look")
        self.looks -= 1
        return self.running and self.looks <= 0

    def run(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.done.append(command[0])
        return subprocess.CompletedProcess(command, 0)


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    (tmp_path / "etc").mkdir()
    (tmp_path / "pgpool.log").write_text(STARTED + WORKING)
    old = traits("3.2.9")
    settings = {"prefix": str(tmp_path), "service": "lab-pgpool.service", "wd_port": 9000}
    settings |= {"election": old.election, "lifecheck_seen_in": old.lifecheck_seen_in}
    settings |= {"watchdog_info": old.watchdog_info}
    config = {"auth": "trust", "vip": "192.168.31.139", "pgpool": settings}
    return Service(config, tmp_path / "pgpool.log", monkeypatch)


def test_the_next_pgpool_is_started_when_this_one_s_watchdog_listens(service: Service) -> None:
    assert pgpool.apply(service.config) == "started"
    assert service.done == ["start", "look", "look", "look"]
    assert pgpool.apply(service.config) == "running"


def test_a_restart_waits_until_a_peer_has_taken_the_virtual_ip(service: Service) -> None:
    pgpool.apply(service.config)
    service.done, service.looks = [], 1
    (service.log.parent / "etc" / "pgpool.conf").write_text("changed")
    assert pgpool.apply(service.config) == "restarted"
    assert service.done == ["stop", "ping", "start", "look"]


def test_a_pgpool_that_has_declared_itself_down_is_restarted(service: Service) -> None:
    pgpool.apply(service.config)
    service.log.open("a").write(DOWN)
    assert pgpool.apply(service.config) == "restarted"


ENDS: dict[str, tuple[str, str]] = {
    "the virtual IP is taken": (
        "ERROR: pid 812: wd_init: delegate_IP already exists\nERROR: pid 812: wd_main error\n",
        r"answers at the virtual IP 192\.168\.31\.139 .* lab-vip down",
    ),
    "something else": ("ERROR: pid 812: wd_main error\n", "pgpool has ended: ERROR: pid 812: wd_main error"),
    "nothing said": ("\n", "pgpool has ended: see"),
}


@pytest.mark.parametrize(("said", "expected"), ENDS.values(), ids=ENDS.keys())
def test_a_pgpool_that_ends_at_once_says_why(service: Service, said: str, expected: str) -> None:
    service.log.write_text("wd_init: delegate_IP already exists\n" if expected.startswith("pgpool") else STARTED)
    service.ends_with = said
    with pytest.raises(RuntimeError, match=expected):
        pgpool.apply(service.config)


def test_later_versions_are_started_without_waiting(service: Service) -> None:
    new = traits("4.3.5")
    service.config["pgpool"] |= {"election": new.election, "lifecheck_seen_in": new.lifecheck_seen_in}
    assert pgpool.apply(service.config) == "started"
    assert service.done == ["start"]


def test_who_listens_is_seen_without_talking_to_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert elders.listens(port)
    assert not elders.listens(port)
