"""The node's side of a sample."""

from __future__ import annotations

import json
import os
import select
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from components.cluster.node_configuration import dialect as words_of
from pgpool_lab.node import dialect, receiver, watch
from pgpool_lab.node.address import has_address
from pgpool_lab.node.sessions import Session
from pgpool_lab.versions.postgresql import traits
from tests.unit.harness import postgresql

CONFIG: dict[str, Any] = {
    "name": "node0",
    "nodes": [{"name": "node0", "ip": "192.168.31.133"}, {"name": "node4", "ip": "192.168.31.134"}],
    "postgresql": {"dialect": words_of(traits("15"))},
}


def answered(session: Session, seconds: float = 5.0) -> str | None:
    """The session's answer, waited for."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0 and (number := session.fileno()) is not None:
        if select.select([number], [], [], left)[0] and (answer := session.read()) is not None:
            return answer
    return None


@pytest.mark.parametrize(("address", "held"), [("127.0.0.1", True), ("192.0.2.1", False)])
def test_an_address_is_held_when_a_socket_can_be_bound_to_it(address: str, held: bool) -> None:
    assert has_address(address) is held


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ("populated 1\nfrozen 0\n", {"running": True, "frozen": False}),
        ("populated 1\nfrozen 1\n", {"running": True, "frozen": True}),
        ("populated 0\nfrozen 0\n", {"running": False, "frozen": False}),
        (None, {"running": False, "frozen": False}),
    ],
)
def test_a_service_is_what_its_cgroup_says(events: str | None, state: dict[str, bool], tmp_path: Path) -> None:
    if events is not None:
        (tmp_path / "lab.service").mkdir()
        (tmp_path / "lab.service" / "cgroup.events").write_text(events)
    assert watch.service_state("lab.service", tmp_path) == state


@pytest.mark.parametrize(("processes", "running"), [("240\n241\n", True), ("", False), (None, False)])
def test_a_service_is_found_in_cgroups_of_version_1(tmp_path: Path, processes: str | None, running: bool) -> None:
    if processes is not None:
        (tmp_path / "lab.service").mkdir()
        (tmp_path / "lab.service" / "cgroup.procs").write_text(processes)
    state = watch.service_state("lab.service", tmp_path / "none", tmp_path)
    assert state == {"running": running, "frozen": False}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f|2|0/5000100||  |off\n".replace("  ", ""), ("primary", 2, "0/5000100", None, None, True)),
        ("f|2|0/5000100|||on\n", ("primary", 2, "0/5000100", None, None, False)),
        ("t|2|0/5000100|0/5000000|192.168.31.134|on\n", ("standby", 2, "0/5000100", "0/5000000", "node4", False)),
        ("t|2||||on\n", ("standby", 2, None, None, None, False)),
    ],
)
def test_the_server_s_answer_is_read_with_its_nulls(text: str, expected: tuple[object, ...]) -> None:
    assert tuple(watch.parse_state(CONFIG, text).values()) == expected


def test_where_no_view_tells_whom_a_standby_follows_its_process_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver, "streaming_host", lambda _: "192.168.31.134")
    old = CONFIG | {"postgresql": {"dialect": words_of(traits("9.4")), "data_directory": "/data"}}
    assert watch.parse_state(old, "t|2|0/5000100|0/5000000||on\n")["streaming_from"] == "node4"
    assert watch.parse_state(old, "f|2|0/5000100|||off\n")["streaming_from"] is None


def test_pgpool_s_view_is_told_in_one_set_of_words_whatever_the_version_says() -> None:
    view = watch.View()
    for down in ("down", "3"):
        text = (
            f"node_id,hostname,port,status,role,select_cnt\n0,node0,5432,up,primary,7\n1,node4,5432,{down},standby,0\n"
        )
        session = Session(["printf", "%s", text], question="", lines=3, restart_seconds=1)
        session.ask(watch.uptime())
        while (number := session.fileno()) is not None and view.known(watch.uptime()) is None:
            select.select([number], [], [], 5)
            view.take(session)
        session.close()
        assert view.known(watch.uptime()) == [
            {"name": "node0", "status": "up", "role": "primary"},
            {"name": "node4", "status": "down", "role": "standby"},
        ]
        view.forget()


def test_a_real_server_answers_the_question_again_and_again() -> None:
    psql = shutil.which("psql")
    with postgresql.server() as port:
        assert psql is not None
        session = Session(
            [psql, "-XAtqw", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres"],
            greeting=f"PREPARE state AS {dialect.sampled(dialect.of(CONFIG))};\n",
            question="EXECUTE state;\n",
            lines=1,
            restart_seconds=1,
            PGPASSWORD=postgresql.PASSWORD,
        )
        try:
            for moment in range(3):
                session.ask(float(moment))
                answer = answered(session, 20)
                assert answer is not None
                state = watch.parse_state(CONFIG, answer)
                assert (state["role"], state["timeline"], state["writable"]) == ("primary", 1, True)
        finally:
            session.close()


def test_a_question_is_open_until_all_its_lines_have_come() -> None:
    session = Session(
        ["sh", "-c", "read q; echo one; sleep 0.2; echo two; cat"], question="q\n", lines=2, restart_seconds=1
    )
    session.ask(0.0)
    assert session.asked_at == 0.0
    session.ask(1.0)
    assert session.asked_at == 0.0
    assert answered(session) == "one\ntwo\n"
    assert session.asked_at is None
    session.close()


def test_a_program_that_ends_is_started_again_but_not_at_once() -> None:
    session = Session(["sh", "-c", "read q; exit 2"], question="q\n", lines=1, restart_seconds=2)
    session.ask(0.0)
    assert answered(session) is None
    assert (session.fileno(), session.asked_at) == (None, None)
    session.ask(1)
    assert session.fileno() is None
    session.ask(2)
    assert session.fileno() is not None
    session.close()


def test_a_view_that_is_too_old_is_none() -> None:
    view = watch.View()
    assert view.known(watch.uptime()) is None
    session = Session(
        ["sh", "-c", "while read q; do printf 'hostname,status,role\\nn,up,primary\\n'; done"],
        question="q\n",
        lines=2,
        restart_seconds=1,
    )
    view.refresh(session, watch.uptime())
    number = session.fileno()
    assert number is not None
    select.select([number], [], [], 5)
    view.take(session)
    now = watch.uptime()
    assert view.known(now) == [{"name": "n", "status": "up", "role": "primary"}]
    assert view.known(now + watch.VIEW_OLD_SECONDS) is None
    session.close()


def test_a_session_that_answers_nothing_for_long_is_given_up_for_another() -> None:
    view = watch.View()
    session = Session(["sleep", "60"], question="q\n", lines=2, restart_seconds=1)
    view.refresh(session, 100.0)
    first = session.fileno()
    view.refresh(session, 100.0 + watch.VIEW_HUNG_SECONDS / 2)
    assert (session.fileno(), session.asked_at) == (first, 100.0)
    view.refresh(session, later := 100.0 + watch.VIEW_HUNG_SECONDS)
    assert session.asked_at == later
    session.close()


class Standard:
    """Standard input that is a pipe, as a listener's is."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()

    def fileno(self) -> int:
        return self.read_end


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Standard:
    standard = Standard()
    monkeypatch.setattr(sys, "stdin", standard)
    return standard


@pytest.fixture(autouse=True)
def running(monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"vip": False, "postgres": {"running": True}, "pgpool": {"running": False}}
    monkeypatch.setattr(watch, "local_state", lambda config, now: {"uptime": now, **state})


def serve(script: str) -> None:
    """Serve with a server that is a shell script, and without a pgpool."""
    postgres = Session(["sh", "-c", script], question="q\n", lines=1, restart_seconds=2)
    watch.serve(CONFIG, postgres, Session(["false"], question="", lines=1, restart_seconds=2))
    postgres.close()


def test_every_line_is_answered_until_the_listener_goes(listener: Standard, capsys: pytest.CaptureFixture[str]) -> None:
    os.write(listener.write_end, b"\n")
    os.close(listener.write_end)
    serve("while read q; do echo 'f|2|0/5000100|||off'; done")
    (sample,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sample["postgres"]["answered"] is True
    assert sample["postgres"]["role"] == "primary"
    assert sample["pgpool"]["backends"] is None
    assert sample["pgpool"]["noticed"] == 0


def test_a_server_that_hangs_does_not_keep_the_sample_back(
    listener: Standard, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "ANSWER_SECONDS", 0.1)
    os.write(listener.write_end, b"\n")
    os.close(listener.write_end)
    serve("read q; sleep 30")
    (sample,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sample["postgres"] == {"running": True, "answered": False}


def test_an_answer_to_an_earlier_question_is_not_taken_for_this_one(
    listener: Standard, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(watch, "ANSWER_SECONDS", 0.3)
    late = tmp_path / "late"

    def ask() -> None:
        for question in range(3):
            os.write(listener.write_end, b"\n")
            time.sleep(0.6)
            if question == 1:
                late.touch()
            time.sleep(0.4)
        os.close(listener.write_end)

    asking = threading.Thread(target=ask)
    asking.start()
    serve(
        f"read q; until [ -e {late} ]; do sleep 0.05; done; echo 't|1||||on'; while read q; do echo 'f|2||||off'; done"
    )
    asking.join()
    postgres = [json.loads(line)["postgres"] for line in capsys.readouterr().out.splitlines()]
    assert [(said["answered"], said.get("role")) for said in postgres] == [
        (False, None),
        (False, None),
        (True, "primary"),
    ]


def test_a_listener_that_says_nothing_any_more_is_gone(
    listener: Standard, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LISTENER_SECONDS", 0.2)
    began = time.monotonic()
    serve("cat")
    assert 0.1 < time.monotonic() - began < 5
    assert capsys.readouterr().out == ""
