"""A standby whose primary was replaced: left alone, re-pointed, rewound; and when pgpool may use it again."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from components.cluster.node_configuration import dialect
from pgpool_lab.node import actions, admission, connections, facts, follow, locks, main, pgpool, script, succession
from pgpool_lab.node.configuration import StepFailed
from pgpool_lab.node.join import Answer, answer_of
from pgpool_lab.node.role import followed, make_standby, write_replication_conf
from pgpool_lab.node.standing import Answer as Standing
from pgpool_lab.versions.postgresql import traits
from tests.unit.facts import node_facts

NAMES = ("node0", "node4", "node5")
LAB = "7711219446825000741"
FORK = 0x5000000
"""Where timeline 1 ended when node4 was promoted."""
PRIMARY = Answer(
    "node4",
    data="present",
    running=True,
    in_recovery=False,
    timeline=2,
    lsn=FORK + 0x1000,
    system_identifier=LAB,
    history=((1, FORK),),
)
STANDBY = Answer(
    "node5",
    data="present",
    running=True,
    in_recovery=True,
    timeline=1,
    lsn=FORK,
    system_identifier=LAB,
    standby_signal=True,
)

CALLER = {
    "name": "node0",
    "nodes": [{"name": name, "ip": f"10.0.0.{index}"} for index, name in enumerate(NAMES)],
    "postgresql": {"port": 5432},
    "pgpool": {"failover_command_runs_on": "one"},
}
"""What the command reads on the node whose pgpool calls it."""

# Which backend the command touches


WORDS: dict[str, tuple[int, int, str | None]] = {
    "the failed primary": (0, 0, None),
    "the failed primary, whatever its id": (1, 1, None),
    "a standby of it": (2, 0, "succeed --old node0"),
    "after a second failover": (0, 1, "succeed --old node4"),
    "pgpool knew no primary": (2, -1, "succeed"),
}


@pytest.mark.parametrize(("failed", "old", "expected"), WORDS.values(), ids=WORDS.keys())
def test_the_failed_primary_is_never_touched(failed: int, old: int, expected: str | None) -> None:
    assert follow.words(failed, old, NAMES) == expected


@pytest.mark.parametrize(
    ("words", "failure", "code", "told"),
    [
        (["2", "node5", "0", "1", "node4"], "", 0, "streams and is attached"),
        (["2", "node5", "0", "1", "node4"], "failed: it is no standby", 1, "it is no standby"),
        (["0", "node0", "0", "1", "node4"], "never asked", 0, "left alone"),
    ],
)
def test_the_command_tells_the_truth(
    words: list[str], failure: str, code: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "node.json").write_text(json.dumps(CALLER))
    monkeypatch.setattr(follow, "CONFIGURATION", str(tmp_path / "node.json"))
    monkeypatch.setattr(script, "LOG", str(tmp_path / "log"))
    monkeypatch.setattr(follow, "on_node", lambda node, words, seconds, login_seconds: failure)
    monkeypatch.setattr(follow, "drop_everywhere", lambda config, node: None)
    assert main.main(["follow", *words]) == code
    assert told in (tmp_path / "log").read_text().splitlines()[-1]


def test_a_pgpool_that_fails_over_by_itself_has_to_attach_the_standby_itself() -> None:
    each = {"name": "node0", "pgpool": {"failover_command_runs_on": "every"}}
    assert follow.words(2, 0, NAMES, script.through(each)) == "succeed --old node0 --through node0"
    assert script.through(CALLER) == "", "the leader's request reaches the others, which wait for its failover"


def test_every_pgpool_lets_go_of_the_failed_primary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    (tmp_path / "node.json").write_text(json.dumps(CALLER))
    monkeypatch.setattr(follow, "CONFIGURATION", str(tmp_path / "node.json"))
    monkeypatch.setattr(script, "LOG", str(tmp_path / "log"))
    monkeypatch.setattr(connections, "start_program", lambda node, words: started.append(f"{node['name']}: {words}"))
    monkeypatch.setattr(connections, "drop_connections", lambda ip, port: started.append(f"here: {ip}:{port}"))
    assert follow.main(["1", "node4", "1", "2", "node5"]) == 0
    drop = "/usr/bin/ss -K state connected dst 10.0.0.1 dport = 5432"
    assert started == ["here: 10.0.0.1:5432", f"node4: {drop}", f"node5: {drop}"]


# What a node does


STEPS: dict[str, tuple[Answer, str | None, str | None, str | None]] = {
    "it received exactly what the new primary has": (STANDBY, "node0", "node0", "follow-or-clone"),
    "it received less": (STANDBY._replace(lsn=FORK - 1), "node0", "node0", "follow-or-clone"),
    "it received more": (STANDBY._replace(lsn=FORK + 1), "node0", "node0", "rewind"),
    "it is on a timeline that the new primary never was on": (STANDBY._replace(timeline=3), "node0", "node0", "rewind"),
    "it streams already": (STANDBY._replace(streaming_from="node4", timeline=2), "node4", "node0", "attach"),
    "it streams already, and nobody knows from whom before": (
        STANDBY._replace(streaming_from="node4", timeline=2),
        "node4",
        None,
        "attach",
    ),
    "an earlier run was interrupted": (STANDBY, "node4", "node0", "follow-or-clone"),
    "it is the new primary": (PRIMARY, None, "node0", "attach"),
    "it follows a third node": (STANDBY, "node6", "node0", None),
    "it follows nobody": (STANDBY, None, "node0", None),
    "the old primary is not known": (STANDBY, "node0", None, None),
    "it is stopped": (STANDBY._replace(running=False, in_recovery=None), "node0", "node0", None),
    "it hangs": (STANDBY._replace(in_recovery=None), "node0", "node0", None),
    "it was primary once": (STANDBY._replace(in_recovery=False), None, "node0", None),
    "it has no data": (Answer("node5"), None, "node0", None),
    "it belongs to another cluster": (STANDBY._replace(system_identifier="42"), "node0", "node0", None),
}


@pytest.mark.parametrize(("own", "follows", "old", "verb"), STEPS.values(), ids=STEPS.keys())
def test_step(own: Answer, follows: str | None, old: str | None, verb: str | None) -> None:
    assert succession.decide(own, follows, old, PRIMARY).verb == verb


NEWEST: dict[str, tuple[Sequence[Standing], str | None]] = {
    "one": ([Standing("node4", False, 2, 0), Standing("node5", True, 9, 0)], "node4"),
    "the newer of two": ([Standing("node4", False, 3, 0), Standing("node0", False, 2, 9)], "node4"),
    "two of the same age": ([Standing("node4", False, 2, 0), Standing("node0", False, 2, 9)], None),
    "none": ([Standing("node5", True, 2, 0)], None),
    "nobody": ([], None),
}


@pytest.mark.parametrize(("answers", "expected"), NEWEST.values(), ids=NEWEST.keys())
def test_newest_primary(answers: list[Standing], expected: str | None) -> None:
    assert succession.newest_primary(answers) == expected


@pytest.mark.parametrize("release", ["9.4", "11", "12", "15"])
def test_whom_a_node_is_set_up_to_follow(release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "chown", lambda *_: None)
    config = configuration(tmp_path, release)
    directory = Path(config["postgresql"]["data_directory"])
    directory.mkdir()
    assert followed(config) is None
    for primary in ("node0", "node4", None):
        write_replication_conf(config, primary)
        make_standby(config, directory, primary)
        assert followed(config) == primary


def configuration(folder: Path, release: str = "15") -> dict[str, Any]:
    return {
        "name": "node5",
        "vip": "10.0.0.100",
        "nodes": [{"name": name, "ip": f"10.0.0.{index}", "backend_id": index} for index, name in enumerate(NAMES)],
        "users": {"replication": "replication"},
        "pgpool": {"watched_by": "session"},
        "postgresql": {
            "data_directory": str(folder / "data"),
            "replication_conf": str(folder / "replication.conf"),
            "port": 5432,
            "replication": "async",
            "dialect": dialect(traits(release)),
        },
    }


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done on node5, a standby of node0 that stopped, while node4 is primary."""
    steps: list[str] = []
    primary = node_facts("node4", NAMES, "node4", "node4")["postgres"] | {"history": [(1, "0/4000000")]}
    own = node_facts("node5", NAMES, "node0", "node4")["postgres"]
    own |= {"streaming_from": None, "timeline": 1, "lsn": "0/4000000"}

    def act(verb: str) -> Any:
        return lambda config, primary: steps.append(f"{verb} {primary}")

    class Asked:
        silent: tuple[str, ...] = ()

        def __init__(self, config: Any, nodes: Any) -> None:
            assert [node["name"] for node in nodes] == ["node4"], "the failed primary is not asked"

        def answers(self) -> list[Standing]:
            return [Standing("node4", False, 2, 0)]

    monkeypatch.setattr(locks, "CHANGE", tmp_path / "change")
    monkeypatch.setattr(succession, "log", lambda message: None)
    monkeypatch.setattr(succession, "Question", Asked)
    monkeypatch.setattr(succession, "followed", lambda config: "node0")
    monkeypatch.setattr(succession, "identity", lambda *_: answer_of("node4", {"postgres": primary}))
    monkeypatch.setattr(facts, "postgres", lambda config: own)
    monkeypatch.setattr(actions, "follow_or_clone", act("follow"))
    monkeypatch.setattr(actions, "rewind", act("rewind"))
    monkeypatch.setattr(
        admission, "admit", lambda config, primary, through: steps.append(f"admit {primary}{through or ''}")
    )
    return steps


def test_pgpool_uses_it_after_it_follows(done: list[str], tmp_path: Path) -> None:
    succession.succeed(configuration(tmp_path), "node0")
    assert done == ["follow node4", "admit node4"]


def test_it_is_rewound_when_it_received_more(done: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = facts.postgres({}) | {"lsn": "0/4000001"}
    monkeypatch.setattr(facts, "postgres", lambda config: own)
    succession.succeed(configuration(tmp_path), "node0")
    assert done == ["rewind node4", "admit node4"]


def test_who_is_left_alone_is_not_attached(done: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(succession, "followed", lambda config: "node9")
    with pytest.raises(StepFailed, match=r"node9.*rejoin node5"):
        succession.succeed(configuration(tmp_path), "node0")
    assert done == []


def test_a_returned_old_primary_is_no_successor(
    done: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = facts.postgres({}) | {"in_recovery": False, "timeline": 1}
    monkeypatch.setattr(facts, "postgres", lambda config: own)
    with pytest.raises(StepFailed, match="no standby"):
        succession.succeed(configuration(tmp_path), "node0")
    assert done == []


def test_the_newest_primary_is_its_own_successor(
    done: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = facts.postgres({}) | {"in_recovery": False, "timeline": 3}
    monkeypatch.setattr(facts, "postgres", lambda config: own)
    succession.succeed(configuration(tmp_path), "node0")
    assert done == ["admit node5"]


def test_a_node_that_is_promoted_while_it_looks_for_a_primary(
    done: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nobody:
        silent = ("node4: no answer within 3 s",)

        def __init__(self, config: Any, nodes: Any) -> None:
            pass

        def answers(self) -> list[Standing]:
            return []

    before = facts.postgres({})
    found = iter([before, before, before | {"in_recovery": False, "timeline": 3}])
    monkeypatch.setattr(facts, "postgres", lambda config: next(found))
    monkeypatch.setattr(succession, "Question", Nobody)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    succession.succeed(configuration(tmp_path), "node0")
    assert done == ["admit node5"]


def test_a_promotion_of_this_node_ends_the_search_and_comes_first(
    done: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its primary died, and nobody else is one: the promotion that waits for this step is what makes one."""
    own = facts.postgres({})
    wanted = (tmp_path / "wanted").open("w")
    monkeypatch.setattr(locks, "WANTED", tmp_path / "wanted")
    monkeypatch.setattr(succession, "newest_primary", lambda answers: None)
    waits: list[float] = []

    def promote(seconds: float) -> None:
        waits.append(seconds)
        locks.release(wanted)
        monkeypatch.setattr(facts, "postgres", lambda config: own | {"in_recovery": False, "timeline": 3})
        monkeypatch.setattr(succession, "newest_primary", lambda answers: "node5")

    def ask(config: Any) -> dict[str, Any]:
        locks.take(wanted)
        return own

    monkeypatch.setattr(facts, "postgres", ask)
    monkeypatch.setattr(time, "sleep", promote)
    succession.succeed(configuration(tmp_path), "node0")
    assert done == ["admit node5"]
    assert len(waits) == 1, "it waits for the promotion to take the lock"
    wanted.close()


def test_the_search_for_a_primary_ends(done: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(succession, "FIND_SECONDS", -1)
    monkeypatch.setattr(succession, "newest_primary", lambda answers: None)
    with pytest.raises(StepFailed, match="no one node is primary"):
        succession.succeed(configuration(tmp_path), "node0")
    assert done == []


# When pgpool may use it again


@pytest.mark.parametrize(
    ("status", "ready", "expected"),
    [
        ("up", False, "done"),
        ("waiting", True, "done"),
        ("down", True, "attach"),
        ("down", False, "wait"),
        ("quarantine", True, "wait"),
        (None, True, "wait"),
    ],
)
def test_admission(status: str | None, ready: bool, expected: str) -> None:
    assert admission.step(status, ready=ready) == expected


def test_pgpool_is_asked_until_it_uses_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beliefs = iter([None, "down", "down", "down", "up"])
    streams = iter([None, "node4", "node4"])
    accepted = iter([False, True])
    attached: list[tuple[str, int]] = []

    def attach(config: Any, host: str, backend: int) -> bool:
        attached.append((host, backend))
        return next(accepted)

    monkeypatch.setattr(admission, "log", lambda message: None)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr(pgpool, "backend_by_pcp", lambda *_: {"status": said} if (said := next(beliefs)) else None)
    monkeypatch.setattr(facts, "asked", lambda config: {"in_recovery": True, "streaming_from": next(streams)})
    monkeypatch.setattr(pgpool, "attach", attach)
    admission.admit(configuration(tmp_path), "node4")
    assert attached == [("10.0.0.100", 2)] * 2, "refused once, as during a failover; and not before it streams"


def test_the_pgpool_that_has_to_attach_it_is_the_one_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beliefs = iter(["down", "up"])
    asked: list[str] = []
    attached: list[tuple[str, int]] = []

    def by_pcp(config: Any, host: str, node: Any) -> dict[str, str]:
        asked.append(f"{node['name']} at {host}")
        return {"name": "node5", "status": next(beliefs), "role": "standby"}

    def attach(config: Any, host: str, backend: int) -> bool:
        attached.append((host, backend))
        return True

    config = configuration(tmp_path)
    monkeypatch.setattr(admission, "log", lambda message: None)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr(facts, "asked", lambda config: {"in_recovery": True, "streaming_from": "node4"})
    monkeypatch.setattr(pgpool, "backend_by_pcp", by_pcp)
    monkeypatch.setattr(pgpool, "attach", attach)
    admission.admit(config, "node4", "node0")
    assert asked == ["node5 at 10.0.0.0", "node5 at 10.0.0.0"]
    assert attached == [("10.0.0.0", 2)]


def test_admission_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "SECONDS", 0)
    monkeypatch.setattr(admission, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(pgpool, "backend_by_pcp", lambda *_: None)
    with pytest.raises(StepFailed, match="unknown"):
        admission.admit(configuration(tmp_path))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["succeed", "--old", "node0"], ("succeed", "node0", None)),
        (["succeed", "--old", "node0", "--through", "node4"], ("succeed", "node0", "node4")),
        (["succeed"], ("succeed", None, None)),
        (["admit"], ("admit", None)),
        (["admit", "--through", "node4"], ("admit", "node4")),
        (["admit", "node0"], None),
        (["admit", "--old", "node0"], None),
    ],
)
def test_verbs(words: list[str], expected: object, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[object] = []
    monkeypatch.setattr(succession, "succeed", lambda config, *named: called.append(("succeed", *named)))
    monkeypatch.setattr(admission, "admit", lambda config, through: called.append(("admit", through)))
    result = main.serve_again({"name": "node5"}, words[0], words[1:])
    assert (result is None) == (expected is None)
    assert called == ([expected] if expected else [])
