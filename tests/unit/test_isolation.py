"""When a primary must assume that its peers promote another, or hears that they did."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pgpool_lab.node import configuration, election, isolation, overtaken, pgpool, replacement, silence
from pgpool_lab.node.echo import ROUNDS, Listener
from pgpool_lab.node.isolation import cut_off
from pgpool_lab.node.replacement import Claim


@pytest.fixture(autouse=True)
def written_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written to this machine's own /run."""
    monkeypatch.setattr(silence, "FILE", str(tmp_path / "silent"))
    monkeypatch.setattr(overtaken, "FILE", str(tmp_path / "overtaken"))


CASES: dict[str, tuple[int, int, bool, bool]] = {
    "two, all well": (2, 1, True, False),
    "two, the peer died": (2, 0, True, False),
    "two, alone in the world": (2, 0, False, True),
    "two, only the gateway died": (2, 1, False, False),
    "three, all well": (3, 2, True, False),
    "three, one died": (3, 1, True, False),
    "three, a minority, though the gateway answers": (3, 0, True, True),
    "four, half is not enough": (4, 1, True, True),
    "four, three of them": (4, 2, False, False),
}
"""Members, peers that answer, whether the gateway does, and the verdict."""


@pytest.mark.parametrize(("members", "reachable", "gateway", "expected"), CASES.values(), ids=CASES.keys())
def test_a_primary_is_cut_off_when_others_may_decide_without_it(
    members: int, reachable: int, gateway: bool, expected: bool
) -> None:
    assert cut_off(members, reachable, gateway=gateway) is expected


def test_others_are_asked_about_a_silent_peer_now_and_then() -> None:
    asked = [missed for missed in range(40) if isolation.due(missed, 8)]
    assert asked == [8, 9, 18, 19, 28, 29, 38, 39]


HEARD: dict[str, tuple[str, bool]] = {
    "the witness follows the node that is silent": ("node4", True),
    "the witness follows this one": ("node0", False),
    "the silent one is dead, and the witness leads": ("witness", False),
    "nobody leads yet": ("", False),
}


@pytest.mark.parametrize(("leader", "expected"), HEARD.values(), ids=HEARD.keys())
def test_a_primary_is_overruled_by_a_leader_that_others_hear(
    leader: str, expected: bool, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["3 3 YES node4:9999 Linux node4 node4", ""]
    for name in ("node0", "node4", "witness"):
        state = "4 LEADER" if name == leader else "7 STANDBY"
        lines.append(f"{name}:9999 Linux {name} {name} 9999 9000 {state} 0 MEMBER")
    asked: list[str] = []

    def said(config: Any, host: str) -> str:
        asked.append(host)
        return "\n".join(lines)

    monkeypatch.setattr(pgpool, "watchdog_info", said)
    started(tmp_path)
    nodes = [{"name": "node0", "ip": "10.9.0.1"}, {"name": "node4", "ip": "10.9.0.2"}]
    own = config(tmp_path) | {"name": "node0", "nodes": nodes, "witness": {"name": "witness", "ip": "10.9.0.3"}}
    own |= {"pgpool": {"peer_lost_seconds": 5, "election": "vote"}}
    found = isolation.followed_elsewhere(own, {"10.9.0.2": 6, "10.9.0.3": 0, "10.9.0.254": 0})
    assert (found == ["10.9.0.2"]) is expected
    assert asked == ["10.9.0.3"]
    assert isolation.followed_elsewhere(own, {"10.9.0.2": 5, "10.9.0.3": 0}) == [], "it may have died"
    assert isolation.followed_elsewhere(own, {"10.9.0.2": 6, "10.9.0.3": 6}) == [], "nobody is heard"


def test_other_peers_are_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgpool_lab.node.echo.socket.socket", lambda *words: None)
    first = isolation.listening(["10.9.0.1", "10.9.0.2"], Listener([]))
    first.missed["10.9.0.1"] = ROUNDS
    assert isolation.listening(["10.9.0.1", "10.9.0.2"], first) is first
    assert isolation.listening(["10.9.0.1"], first).missed == {"10.9.0.1": 0}


FORSAKEN: dict[str, tuple[int, dict[str, int], bool, list[str]]] = {
    "two of three, and the watchdog has lost both": (3, {"10.9.0.2": 6, "10.9.0.3": 6}, True, ["10.9.0.2", "10.9.0.3"]),
    "the watchdog may not have lost the second yet": (3, {"10.9.0.2": 7, "10.9.0.3": 5}, True, []),
    "one of three": (3, {"10.9.0.2": 6, "10.9.0.3": 0}, True, []),
    "each in its time": (3, {"10.9.0.2": 16, "10.9.0.3": 8}, True, ["10.9.0.2"]),
    "the only one of two, which may have died": (2, {"10.9.0.2": 6}, True, []),
    "alone in the world": (2, {"10.9.0.2": 6}, False, ["10.9.0.2"]),
    "all are heard": (3, {"10.9.0.2": 0, "10.9.0.3": 1}, True, []),
}
"""Members, the rounds each peer is silent, whether the gateway answers, and to whom connections are dropped."""


@pytest.mark.parametrize(("members", "missed", "gateway", "expected"), FORSAKEN.values(), ids=FORSAKEN.keys())
def test_a_minority_waits_for_no_answer_of_the_peers_that_its_watchdog_has_lost(
    members: int, missed: dict[str, int], gateway: bool, expected: list[str], tmp_path: Any
) -> None:
    nodes = [{"name": f"node{number}", "ip": f"10.9.0.{number}"} for number in range(1, members + 1)]
    own = config(tmp_path) | {"name": "node1", "nodes": nodes, "pgpool": {"peer_lost_seconds": 5}}
    assert isolation.forsaken(own, missed, gateway=gateway) == expected
    without_votes = own | {"pgpool": {"peer_lost_seconds": None}}
    assert isolation.forsaken(without_votes, missed, gateway=gateway) == []


def test_connections_are_dropped_where_postgresql_is_stopped_as_well(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped: list[tuple[str, int]] = []
    monkeypatch.setattr(isolation, "drop_connections", lambda ip, port: dropped.append((ip, port)))
    watched({"10.9.0.2": 6, "10.9.0.3": 6, "10.9.0.254": 0}, tmp_path, monkeypatch)
    assert dropped == [("10.9.0.2", 5432), ("10.9.0.3", 5432)]


def test_the_watchdog_is_held_back_in_an_election_that_is_to_be_won(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[str] = []
    monkeypatch.setattr(election, "hold_back", lambda config: held.append(config["name"]))
    watched({"10.9.0.2": 2, "10.9.0.3": 0, "10.9.0.254": 2}, tmp_path, monkeypatch)
    assert held == ["node1"]
    watched({"10.9.0.2": 0, "10.9.0.3": 0, "10.9.0.254": 2}, tmp_path, monkeypatch)
    assert held == ["node1"], "the gateway has no vote"


def test_a_peer_is_said_to_be_silent_when_it_would_have_stopped(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[list[str]] = []
    monkeypatch.setattr(silence, "say", said.append)
    watched({"10.9.0.2": ROUNDS + 1, "10.9.0.3": ROUNDS + 2, "10.9.0.254": ROUNDS + 2}, tmp_path, monkeypatch)
    assert said == [["10.9.0.3"]], "the second may write yet, and the gateway is no peer"


def watched(silent: dict[str, int], tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One round of the first of three nodes, whose PostgreSQL is stopped, with so many rounds missed by each host."""
    rounds: list[int] = []

    class Heard:
        missed = silent

        def lately_silent(self, rounds: int) -> tuple[str, ...]:
            return ()

        def ask(self, words: dict[str, bytes], told: Any) -> None:
            if rounds:
                raise Enough
            rounds.append(1)

    nodes = [{"name": f"node{number}", "ip": f"10.9.0.{number}"} for number in (1, 2, 3)]
    own = config(tmp_path) | {"name": "node1", "nodes": nodes, "gateway": "10.9.0.254", "vip": "10.9.0.9"}
    own["pgpool"] = {"peer_lost_seconds": 5, "election": "vote"}
    own["postgresql"]["port"] = 5432
    monkeypatch.setattr(configuration, "load", lambda: own)
    monkeypatch.setattr(pgpool, "secrets", lambda: {"watchdog": "key"})
    monkeypatch.setattr(isolation, "listening", lambda addresses, listener: Heard())
    monkeypatch.setattr(isolation, "Listener", lambda addresses: None)
    monkeypatch.setattr(isolation, "has_address", lambda address: False)
    with pytest.raises(Enough):
        isolation.main()


def config(tmp_path: Path) -> dict[str, Any]:
    dialect = {"standby_file": "standby.signal", "wal_folder": "pg_wal"}
    return {"postgresql": {"data_directory": str(tmp_path), "dialect": dialect}}


def started(data_directory: Path) -> None:
    """As a server with a living process leaves its data directory."""
    (data_directory / "postmaster.pid").write_text(f"{os.getpid()}\n{data_directory}\n")


def test_a_node_with_the_file_of_a_standby_is_no_primary(tmp_path: Path) -> None:
    started(tmp_path)
    assert isolation.is_primary(config(tmp_path))
    (tmp_path / "standby.signal").touch()
    assert not isolation.is_primary(config(tmp_path))


@pytest.mark.parametrize("left", [None, "", "4194305\n"], ids=["stopped in order", "half-written", "killed"])
def test_a_node_whose_postgresql_does_not_run_is_no_primary(left: str | None, tmp_path: Path) -> None:
    if left is not None:
        (tmp_path / "postmaster.pid").write_text(left)
    assert not isolation.is_primary(config(tmp_path))


class Enough(Exception):
    """The round that is looked at is over."""


GIVEN: dict[str, tuple[Claim, str, tuple[str, ...], list[str]]] = {
    "another is primary": (Claim(3), "primary on 2", (), ["lab-fence"]),
    "on its own timeline": (Claim(2), "primary on 2", (), []),
    "it is a standby": (Claim(3), "standby", (), []),
    "another is both": (Claim(3, holder=True), "primary on 2, holder", (), ["gives the virtual IP up", "lab-fence"]),
    "another is holder": (Claim(holder=True), "standby, holder", (), ["gives the virtual IP up"]),
    "it has missed that one": (Claim(holder=True), "standby, holder", ("10.9.0.2",), []),
    "both have missed each other, and it was replaced": (
        Claim(3, holder=True),
        "primary on 2, holder",
        ("10.9.0.2",),
        ["gives the virtual IP up", "lab-fence"],
    ),
    "both have missed each other, and the other was": (
        Claim(1, holder=True),
        "primary on 2, holder",
        ("10.9.0.2",),
        [],
    ),
    "it is no holder": (Claim(holder=True), "standby", (), []),
    "nothing is claimed": (Claim(), "primary on 2, holder", (), []),
}


@pytest.mark.parametrize(("claim", "role", "missed", "expected"), GIVEN.values(), ids=GIVEN.keys())
def test_one_that_hears_of_its_replacement_gives_up_what_it_was(
    claim: Claim,
    role: str,
    missed: tuple[str, ...],
    expected: list[str],
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert during_a_round(claim, role, missed, tmp_path, monkeypatch) == expected
    assert overtaken.lately("10.9.0.9") is ("gives the virtual IP up" in expected)


def test_what_is_being_stopped_already_is_stopped_by_the_next_claim(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert during_a_round(Claim(3), "primary on 2", (), tmp_path, monkeypatch, exit_code=75) == ["lab-fence"] * 2


def during_a_round(
    claim: Claim,
    role: str,
    missed: tuple[str, ...],
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    exit_code: int = 0,
) -> list[str]:
    """What a node does that gets the same claim twice in a round, when it has been what it is for a while."""
    done: list[str] = []
    held = ["10.9.0.9"] if role.endswith("holder") else []
    rounds: list[int] = []
    told_in = 1 if "new" in role else ROUNDS + 1

    def removed(address: str) -> bool:
        if address not in held:
            return False
        held.remove(address)
        done.append("gives the virtual IP up")
        return True

    class Hears:
        missed = dict.fromkeys(("10.9.0.2", "10.9.0.254"), 0)

        def lately_silent(self, rounds: int) -> tuple[str, ...]:
            return lately

        def ask(self, words: dict[str, bytes], told: Any) -> None:
            rounds.append(len(rounds))
            if len(rounds) == told_in:
                told("10.9.0.2", b"claim")
                told("10.9.0.2", b"claim")
                raise Enough

    class Ran:
        returncode = exit_code

    def ran(words: list[str], **options: Any) -> Ran:
        done.append(" ".join(words).rpartition("/")[2])
        return Ran()

    lately = missed
    nodes = [{"name": "node0", "ip": "10.9.0.1"}, {"name": "node4", "ip": "10.9.0.2"}]
    own = config(tmp_path) | {"name": "node0", "nodes": nodes, "gateway": "10.9.0.254", "vip": "10.9.0.9", "lab": "lab"}
    own |= {"pgpool": {"peer_lost_seconds": None, "election": "oldest"}}
    started(tmp_path)
    if role.startswith("standby"):
        (tmp_path / "standby.signal").touch()
    monkeypatch.setattr(configuration, "load", lambda: own)
    monkeypatch.setattr(pgpool, "secrets", lambda: {"watchdog": "key"})
    monkeypatch.setattr(isolation, "listening", lambda addresses, listener: Hears())
    monkeypatch.setattr(isolation, "Listener", lambda addresses: None)
    monkeypatch.setattr(isolation, "has_address", lambda address: address in held)
    monkeypatch.setattr(isolation, "remove_address", removed)
    monkeypatch.setattr(replacement, "claimed", lambda config, key, payload: claim)
    monkeypatch.setattr(replacement, "own_timeline", lambda config: 2)
    monkeypatch.setattr("pgpool_lab.node.isolation.subprocess.run", ran)
    with pytest.raises(Enough):
        isolation.main()
    return done


CLAIMS: dict[str, tuple[bool, bool, Claim]] = {
    "primary": (True, False, Claim(2)),
    "standby and holder": (False, True, Claim(holder=True)),
    "both": (True, True, Claim(2, holder=True)),
}


@pytest.mark.parametrize(("primary", "holder", "expected"), CLAIMS.values(), ids=CLAIMS.keys())
def test_a_node_claims_what_it_is(
    primary: bool, holder: bool, expected: Claim, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replacement, "own_timeline", lambda config: 2)
    monkeypatch.setattr(isolation, "has_address", lambda address: holder)
    started(tmp_path)
    if not primary:
        (tmp_path / "standby.signal").touch()
    assert isolation.own_claim(config(tmp_path) | {"vip": "10.9.0.9"}) == expected


def test_a_witness_is_a_peer_with_a_vote() -> None:
    nodes = [{"name": "node0", "ip": "10.9.0.1"}, {"name": "node4", "ip": "10.9.0.2"}]
    known: dict[str, Any] = {"name": "node0", "nodes": nodes}
    assert isolation.peers_of(known) == ["10.9.0.2"]
    assert isolation.peers_of(known | {"witness": {"name": "witness", "ip": "10.9.0.3"}}) == ["10.9.0.2", "10.9.0.3"]
