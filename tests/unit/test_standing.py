"""Where a server stands, asked from a real one; a switchover's preference and the lock of a promotion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from components.cluster.node_configuration import dialect
from pgpool_lab.node import preference, standing
from pgpool_lab.node.configuration import StepFailed
from pgpool_lab.node.failover import PROMOTE
from pgpool_lab.versions.postgresql import traits
from tests.unit.harness import postgresql

LOOPBACK = {"name": "node4", "ip": "127.0.0.1"}


@pytest.fixture(scope="module")
def config() -> Iterator[dict[str, Any]]:
    with postgresql.server() as port:
        programs = postgresql.binaries()
        yield {
            "nodes": [LOOPBACK],
            "postgresql": {"client_bin": str(programs), "port": port, "dialect": dialect(traits("15"))},
            "users": {"superuser": "postgres"},
        }


def asked(config: dict[str, Any]) -> standing.Answer:
    question = standing.Question(config, [LOOPBACK])
    answers = question.answers()
    assert question.silent == []
    return answers[0]


def test_a_primary_s_answer(config: dict[str, Any]) -> None:
    answer = asked(config)
    assert (answer.name, answer.in_recovery, answer.timeline, answer.preferred) == ("node4", False, 1, False)
    assert answer.received > 0x1000000


def test_a_node_that_takes_no_connection_is_not_waited_for(config: dict[str, Any]) -> None:
    unreachable = {**config, "postgresql": {**config["postgresql"], "port": postgresql.free_port()}}
    question = standing.Question(unreachable, [LOOPBACK])
    assert question.answers() == []
    assert "refused" in question.silent[0]


def test_a_busy_node_that_takes_connections_is_waited_for(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgpool_lab.node.dialect.standing", lambda _: "SELECT pg_sleep(4), false, 1, 0, false")
    monkeypatch.setattr(standing, "parse", lambda name, text: standing.Answer(name, False, 1, 0))
    assert asked(config).name == "node4"


def test_a_preference_lasts_as_long_as_its_session(config: dict[str, Any]) -> None:
    with preference.preferred(config, "node4"):
        assert asked(config).preferred
    assert not asked(config).preferred


def test_one_who_cannot_be_asked_to_prefer_is_named(config: dict[str, Any]) -> None:
    unreachable = {**config, "postgresql": {**config["postgresql"], "port": postgresql.free_port()}}
    with pytest.raises(StepFailed, match="node4"), preference.preferred(unreachable, "node4"):
        pytest.fail("nobody prefers it")


def test_a_second_promotion_finds_the_first_done(config: dict[str, Any]) -> None:
    assert standing.psql(config, "127.0.0.1", PROMOTE, 5) == "t"


def test_a_failed_statement_says_why(config: dict[str, Any]) -> None:
    with pytest.raises(standing.Failed, match="syntax"):
        standing.psql(config, "127.0.0.1", "SELEC", 5)
    with pytest.raises(standing.Failed, match="no answer within"):
        standing.psql(config, "127.0.0.1", "SELECT pg_sleep(5)", 0.5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("t|2|83886080|f", standing.Answer("node5", True, 2, 0x5000000, False)),
        ("t|10|0|t", standing.Answer("node5", True, 10, 0, True)),
        ("f|3|83886080|f", standing.Answer("node5", False, 3, 0x5000000, False)),
    ],
)
def test_rows(text: str, expected: standing.Answer) -> None:
    assert standing.parse("node5", text) == expected
