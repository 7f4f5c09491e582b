"""A planned change of the primary, and bringing back one node of several: what is awaited and what is not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from pgpool_lab.node import cluster, pgpool
from pgpool_lab.node.configuration import Refused, StepFailed
from tests.unit.facts import Answers, changed, healthy

THREE = ("node0", "node4", "node5")
CONFIG: dict[str, Any] = {
    "name": "node0",
    "nodes": [{"name": name, "backend_id": index} for index, name in enumerate(THREE)],
}


KEPT = "join of node0, which keeps all"


class Nodes:
    """Three nodes that answer, and do what they are told."""

    def __init__(self) -> None:
        self.answers: Answers = healthy(THREE)
        self.promoted = ""
        """Whom the failover script promotes; empty: whoever is preferred."""
        self.preferred = ""
        self.done: list[str] = []

    def ask_all(self, config: Any, *, settled: bool = False) -> Answers:
        return self.answers

    def ask_members(self, config: Any, *, settled: bool = False) -> tuple[Answers, Answers]:
        return self.answers, {}

    @contextmanager
    def prefer(self, config: Any, name: str) -> Iterator[None]:
        self.preferred = name
        yield
        self.preferred = ""

    def on_node(self, config: Any, name: str, words: list[str], *, seconds: float) -> str:
        self.done.append(f"{name}: {' '.join(words)}")
        if words == ["local", "stop"]:
            self.answers = healthy(THREE, primary=self.promoted or self.preferred)
        return "{}"

    def join(self, config: Any, **options: Any) -> dict[str, Any]:
        self.done.append(f"join of {options['rejoin']}{'' if options['gives_up'] else ', which keeps all'}")
        return {"actions": []}


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Nodes:
    known = Nodes()
    monkeypatch.setattr(cluster, "ask_all", known.ask_all)
    monkeypatch.setattr(cluster, "ask_members", known.ask_members)
    monkeypatch.setattr(cluster, "on_node", known.on_node)
    monkeypatch.setattr(cluster, "join", known.join)
    monkeypatch.setattr(cluster, "preferred", known.prefer)
    monkeypatch.setattr(cluster, "log", lambda message: None)
    monkeypatch.setattr(pgpool, "attach", lambda config, host, backend: True)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return known


@pytest.mark.parametrize(("target", "expected"), [("node5", "node5"), ("node4", "node4"), (None, "node4")])
def test_switchover(target: str | None, expected: str, nodes: Nodes) -> None:
    result = cluster.switchover(CONFIG, target)
    assert result["primary"] == expected
    assert nodes.done == ["node0: local stop", KEPT, "node0: local pgpool-apply"]
    assert nodes.preferred == ""


def test_a_switchover_to_the_primary_does_nothing(nodes: Nodes) -> None:
    cluster.switchover(CONFIG, "node0")
    assert nodes.done == []


def test_a_switchover_that_another_node_won_is_mended_and_told(nodes: Nodes) -> None:
    nodes.promoted = "node4"
    with pytest.raises(StepFailed, match="node4 was promoted, not node5"):
        cluster.switchover(CONFIG, "node5")
    assert KEPT in nodes.done


@pytest.mark.parametrize("target", ["node4", "node9"])
def test_a_switchover_is_refused(target: str, nodes: Nodes) -> None:
    if target == "node4":
        changed(nodes.answers, "node5", "postgres", "streaming_from", to=None)
    with pytest.raises(Refused):
        cluster.switchover(CONFIG, target)
    assert nodes.done == []


def test_a_target_that_lacks_much_is_waited_for(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is sent everything while the primary stops, for which that has a minute."""
    changed(nodes.answers, "node5", "postgres", "lsn", to="0/4000000")
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        # It says nothing for once, which is no sign that it lacks nothing.
        changed(nodes.answers, "node5", "postgres", "lsn", to=None)
        if len(waited) == 3:
            changed(nodes.answers, "node5", "postgres", "lsn", to="0/5000000")

    monkeypatch.setattr(time, "sleep", sleep)
    assert cluster.switchover(CONFIG, "node5")["primary"] == "node5"
    assert len(waited) >= 3


def test_a_target_that_does_not_catch_up_is_refused_before_the_primary_is_stopped(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "CLOSE_SECONDS", 0)
    changed(nodes.answers, "node5", "postgres", "lsn", to="0/4000000")
    with pytest.raises(Refused, match="node5 lacks 16777472 bytes of node0's WAL"):
        cluster.switchover(CONFIG, "node5")
    assert nodes.done == []
    assert cluster.switchover(CONFIG, "node4")["primary"] == "node4"


OTHERS: dict[str, list[tuple[str, Any]]] = {
    "healthy": [],
    "silent": [("", None)],
    "stopped": [("postgres.running", False), ("postgres.in_recovery", None), ("postgres.streaming_from", None)],
    "following nobody": [("postgres.streaming_from", None)],
    "without pgpool": [("pgpool", {"running": False, "watchdog_role": None, "backends": []})],
    "with a hung pgpool": [("pgpool", {"running": True, "watchdog_role": None, "backends": []})],
}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS.keys())
def test_one_node_comes_back_while_another_is_down(changes: list[tuple[str, Any]], nodes: Nodes) -> None:
    for path, value in changes:
        changed(nodes.answers, "node5", *[part for part in path.split(".") if part], to=value)
    if changes and changes[0][0] != "pgpool":
        for name in ("node0", "node4"):
            changed(nodes.answers, name, "pgpool", "backends", 2, "status", to="down")
    assert cluster.rejoin(CONFIG, "node4")["primary"] == "node0"
    assert nodes.done == ["join of node4", "node4: local pgpool-apply"]


@pytest.mark.parametrize(
    ("others", "silent", "refused"),
    [
        (["node4", "node5"], ["node4"], False),
        (["node4", "node5"], ["node4", "node5"], True),
        (["node4"], ["node4"], False),
        (["node4", "witness"], ["node4", "witness"], True),
    ],
    ids=["two of three are left", "one of three", "one of two", "one of two that have a witness"],
)
def test_nobody_is_made_primary_who_would_stop_for_want_of_a_majority(
    others: list[str], silent: list[str], refused: bool, nodes: Nodes
) -> None:
    """`isolation` decides who stops; one of two asks the gateway, which it can."""
    facts = nodes.answers["node0"]
    said = {name: None if name in silent else facts for name in ["node0", *others]}
    witness = {name: said.pop(name) for name in ["witness"] if name in said}
    refusal = pytest.raises(Refused, match="a primary that reaches no majority stops itself")
    with refusal if refused else nullcontext():
        cluster.refuse_without_majority(said, witness)


def test_the_node_itself_is_waited_for(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "SETTLE_SECONDS", 0)
    changed(nodes.answers, "node4", "postgres", "streaming_from", to=None)
    with pytest.raises(StepFailed, match="node4 does not stream"):
        cluster.rejoin(CONFIG, "node4")
