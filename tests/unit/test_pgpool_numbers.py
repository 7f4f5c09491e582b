"""Which pgpool may be restarted by itself after its configuration has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pgpool_lab.node import pgpool


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What systemctl was told; the service runs once it was started."""
    told: list[str] = []

    def systemctl(*words: str) -> int:
        if words[0] == "is-active":
            return 0 if told else 3
        told.append(words[0])
        return 0

    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "pgpool_node_id").write_text("2\n")
    monkeypatch.setattr(pgpool, "STARTED", tmp_path / "started")
    monkeypatch.setattr(pgpool, "systemctl", systemctl)
    monkeypatch.setattr(pgpool, "wait_for_role", lambda config: None)
    return told


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    settings = {
        "prefix": str(tmp_path),
        "service": "lab-pgpool.service",
        "election": "vote",
        "lifecheck_seen_in": "view",
    }
    return {"auth": "trust", "pgpool": settings}


def test_changed_settings_restart_one_pgpool_after_the_other(
    config: dict[str, Any], done: list[str], tmp_path: Path
) -> None:
    assert (pgpool.apply(config), pgpool.apply(config)) == ("started", "running")
    (tmp_path / "etc" / "pgpool.conf").write_text("changed")
    assert pgpool.apply(config) == "restarted"
    assert done == ["start", "restart"]


@pytest.mark.parametrize("name", ["pool_passwd", "failover.sh"])
def test_what_is_read_anew_each_time_restarts_nothing(
    name: str, config: dict[str, Any], done: list[str], tmp_path: Path
) -> None:
    pgpool.apply(config)
    (tmp_path / "etc" / name).write_text("changed")
    assert pgpool.apply(config) == "running"
    assert done == ["start"]


@pytest.mark.parametrize("before", ["number", "nothing of it"])
def test_a_pgpool_that_peers_know_by_another_number_is_left_until_all_are_stopped(
    before: str, config: dict[str, Any], done: list[str], tmp_path: Path
) -> None:
    pgpool.apply(config)
    if before == "number":
        (tmp_path / "etc" / "pgpool_node_id").write_text("1\n")
    else:
        pgpool.STARTED.write_text(pgpool.STARTED.read_text().split()[0])
    assert pgpool.apply(config) == pgpool.RENUMBERED
    assert done == ["start"]
