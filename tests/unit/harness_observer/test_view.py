"""What a pgpool believes, asked for without sessions that would learn of a backend's end."""

from __future__ import annotations

from typing import Any

import pytest

from pgpool_lab.node import pgpool, view, watch
from pgpool_lab.node.configuration import AGENT
from pgpool_lab.versions import pgpool as versions

CONFIG: dict[str, Any] = {"nodes": [{"name": "node0"}, {"name": "node4"}], "pgpool": {"watched_by": "pcp"}}


class Pgpool:
    """Stands in for both ways to ask."""

    def __init__(self) -> None:
        self.statuses = {"node0": "up", "node4": "up"}
        self.primary = "node0"
        self.sessions = 0

    def by_pcp(self, config: object, host: str) -> list[dict[str, str]]:
        # It doesn't know the roles.
        return [{"name": name, "status": status, "role": "standby"} for name, status in self.statuses.items()]

    def in_a_session(self, config: object, host: str) -> list[dict[str, str]]:
        self.sessions += 1
        return [
            {"name": name, "status": status, "role": "primary" if name == self.primary else "standby"}
            for name, status in self.statuses.items()
        ]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Pgpool:
    stand_in = Pgpool()
    monkeypatch.setattr(pgpool, "backends_by_pcp", stand_in.by_pcp)
    monkeypatch.setattr(pgpool, "shown_backends", stand_in.in_a_session)
    return stand_in


def primaries(rows: list[dict[str, str]] | None) -> list[str]:
    assert rows is not None
    return [row["name"] for row in rows if row["role"] == "primary"]


def test_while_nothing_changes_no_session_is_opened(asked: Pgpool) -> None:
    known = view.View(CONFIG)
    for moment in (0.0, 14.0):
        assert primaries(known.rows(moment)) == ["node0"]
    opened = asked.sessions
    for moment in (16.0, 100.0, 1000.0):
        assert primaries(known.rows(moment)) == ["node0"]
    assert asked.sessions == opened


def test_after_a_change_the_new_primary_is_found_though_it_comes_later(asked: Pgpool) -> None:
    known = view.View(CONFIG)
    known.rows(0.0)
    asked.statuses["node0"] = "down"
    rows = known.rows(100.0)
    assert rows is not None and rows[0]["status"] == "down"
    asked.primary = "node4"
    assert primaries(known.rows(110.0)) == ["node4"]


def test_a_pgpool_that_says_nothing_ends_the_program(asked: Pgpool) -> None:
    asked.statuses = {}
    assert view.View(CONFIG).rows(0.0) is None


@pytest.mark.parametrize(("release", "way"), [("3.2.9", "pcp"), ("3.2.22", "pcp"), ("3.3.22", "session")])
def test_only_the_versions_in_which_sessions_are_dangerous_are_asked_by_pcp(release: str, way: str) -> None:
    assert versions.traits(release).watched_by == way


def test_such_a_pgpool_is_watched_through_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(watch, "Session", lambda command, **_: commands.append(command))
    watch.pgpool_session(CONFIG)
    assert commands == [[AGENT, "view"]]
