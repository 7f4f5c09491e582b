"""The join as it is carried out: bounded, exclusive, and answered by words and exit codes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pgpool_lab.node import answer, cluster, configuration, failover, locks, main, pgpool, reconfigure
from pgpool_lab.node import facts as node_facts
from pgpool_lab.node.configuration import Refused, StepFailed
from pgpool_lab.node.join import Plan
from tests.unit.facts import a_witness, changed, healthy

NODES = ("node0", "node4", "node5")


def config(name: str) -> dict[str, Any]:
    return {"name": name, "nodes": [{"name": node, "ip": "", "backend_id": 0} for node in NODES]}


def facts(*, joining: bool = False, **postgres: Any) -> dict[str, Any]:
    known = {"data": "none", "running": False, "in_recovery": None, "timeline": None, "lsn": None}
    known |= {"system_identifier": None, "control_state": None, "standby_signal": False, "streaming_from": None}
    return {"postgres": known | {"history": []} | postgres, "joining": joining}


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cluster, "log", lambda message: None)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr(locks, "JOIN", tmp_path / "join")
    monkeypatch.setattr(locks, "WANTED", tmp_path / "wanted")


def answers_in_turn(rounds: Sequence[cluster.Answers]) -> Callable[[Any], cluster.Answers]:
    remaining = iter(rounds)
    return lambda config: next(remaining)


def test_lock_is_seen_by_others_and_ends_with_its_holder() -> None:
    assert not locks.is_held(locks.JOIN)
    with locks.JOIN.open("w") as lock, locks.JOIN.open("w") as other:
        locks.take(lock)
        assert locks.is_held(locks.JOIN)
        assert not locks.try_take(other)
        locks.release(lock)
        assert not locks.is_held(locks.JOIN)
        assert locks.try_take(other)
    assert not locks.is_held(locks.JOIN)


@pytest.mark.parametrize(("name", "keeps"), [("node0", True), ("node5", False)])
def test_the_later_node_steps_back(name: str, keeps: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    busy: cluster.Answers = {"node0": facts(), "node4": facts(joining=True), "node5": facts()}
    free: cluster.Answers = {"node0": facts(), "node4": None, "node5": facts()}
    free[name] = facts(joining=True)
    released: list[bool] = []
    monkeypatch.setattr(cluster, "ask_all", answers_in_turn([busy, busy, free]))
    monkeypatch.setattr(locks, "release", lambda lock: released.append(True))
    with locks.JOIN.open("w") as lock:
        assert cluster.claim(config(name), lock) is free
    assert (released == []) == keeps


def test_a_join_that_never_ends_is_not_waited_for_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "STEP_SECONDS", 0)
    monkeypatch.setattr(cluster, "ask_all", lambda config: {node: facts(joining=True) for node in NODES})
    with locks.JOIN.open("w") as lock, pytest.raises(Refused, match="node4"):
        cluster.claim(config("node0"), lock)


PRIMARY: dict[str, Any] = {
    "data": "present",
    "running": True,
    "in_recovery": False,
    "timeline": 1,
    "lsn": "0/3000060",
    "system_identifier": "1",
}
STANDBY = PRIMARY | {"in_recovery": True, "streaming_from": "node0"}


def test_join_goes_on_until_the_rules_ask_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def perform(config: Any, plan: Plan, answers: cluster.Answers) -> None:
        for action in plan.actions:
            answers[action.node] = facts(**(PRIMARY if action.verb == "initialise" else STANDBY))

    monkeypatch.setattr(cluster, "ask_all", lambda config: {node: facts() for node in NODES})
    monkeypatch.setattr(cluster, "perform", perform)
    assert cluster.join(config("node0"), initialised=False) == {
        "primary": "node0",
        "actions": ["initialise node0", "clone node4", "clone node5"],
        "standbys": ["node4", "node5"],
    }


def test_join_ends_when_nothing_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "ask_all", lambda config: {node: facts() for node in NODES})
    monkeypatch.setattr(cluster, "perform", lambda config, plan, answers: None)
    with pytest.raises(StepFailed, match="initialise node0"):
        cluster.join(config("node0"), initialised=False)


def test_join_waits_for_the_step_that_a_failover_has_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    here: cluster.Answers = {"node0": facts(**PRIMARY), "node4": facts(**STANDBY)}
    following = here | {"node5": facts() | {"changing": True}}
    followed = here | {"node5": facts(**STANDBY)}
    told: list[object] = []
    monkeypatch.setattr(cluster, "rest_witness", lambda config, answers: None)
    monkeypatch.setattr(cluster, "ask_all", answers_in_turn([following, following, followed]))
    monkeypatch.setattr(cluster, "perform", lambda config, plan, answers: told.append(plan))
    assert cluster.join(config("node0"), initialised=True)["standbys"] == ["node4", "node5"]
    assert told == []


STOPPED = PRIMARY | {"running": False, "in_recovery": None, "control_state": "in production"}


@pytest.mark.parametrize("silent", [0, 100], ids=["asked at once", "the old primary was silent for long"])
@pytest.mark.parametrize("promotes", [True, False], ids=["pgpool promotes the standby", "pgpool does nothing"])
def test_the_old_primary_is_not_started_while_pgpool_may_promote_another(
    promotes: bool, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = {"pgpool": {"running": True}}
    lost: cluster.Answers = {each: facts(**STANDBY) | runs for each in NODES}
    lost["node0"] = facts(**STOPPED) | runs
    promoted: cluster.Answers = lost | {"node4": facts(**PRIMARY | {"timeline": 2})}
    asked: list[cluster.Answers] = []

    def ask_all(config: Any) -> cluster.Answers:
        asked.append(promoted if promotes and len(asked) > silent + 1 else lost)
        return asked[-1] | ({"node0": None} if len(asked) <= silent else {})

    class Decided(Exception):
        pass

    def perform(config: Any, plan: Plan, answers: cluster.Answers) -> None:
        raise Decided([f"{action.verb} {action.node}" for action in plan.actions])

    clock = iter(range(10_000))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr(cluster, "ask_all", ask_all)
    monkeypatch.setattr(cluster, "perform", perform)
    with pytest.raises(Decided) as decided:
        cluster.join(config("node0"), initialised=True, rejoin="node0")
    (verb,) = decided.value.args[0]
    assert (verb == "start-primary node0") is not promotes


def test_join_waits_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "WAIT_SECONDS", 0)
    monkeypatch.setattr(cluster, "ask_all", lambda config: {node: facts() for node in NODES} | {"node4": None})
    with pytest.raises(Refused, match=r"node4: .*unreachable is not empty.*--force-primary"):
        cluster.join(config("node0"), initialised=False)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ""),
        (["--initialised"], ""),
        (["--force-primary", "node4"], "node4"),
        (["--initialised", "--force-primary", "node4"], "node4"),
        (["--force-primary"], None),
        (["--other"], None),
        (["--initialised", "node4"], None),
    ],
)
def test_join_options(options: list[str], expected: str | None) -> None:
    assert main.forced_primary(options) == expected


@pytest.mark.parametrize(
    ("options", "runs", "expected"),
    [([], False, []), ([], True, ["reload node0"]), (["--initialised"], False, ["reload node0"])],
    ids=["the first join", "the first one again", "a later one"],
)
def test_what_runs_already_takes_its_settings_before_the_join(
    options: list[str], runs: bool, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configuration, "load", lambda: {"name": "node0", "postgresql": {"service": "lab-postgresql"}})
    monkeypatch.setattr(configuration, "service_active", lambda service: runs)
    monkeypatch.setattr(reconfigure, "reconfigure", lambda config: ["reload node0"])
    monkeypatch.setattr(cluster, "join", lambda config, **words: {"actions": ["node4: clone"]})
    assert main.dispatch(["join", *options]) == {"actions": [*expected, "node4: clone"]}


@pytest.mark.parametrize(
    ("failure", "code"), [(Refused("two primaries"), 3), (StepFailed("initdb"), 1), (OSError("no space"), 1), (None, 0)]
)
def test_exit_codes(failure: Exception | None, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def dispatch(arguments: Sequence[str]) -> object:
        if failure is not None:
            raise failure
        return {}

    monkeypatch.setattr(main, "dispatch", dispatch)
    assert main.main(["join"]) == code


def test_one_step_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(locks, "CHANGE", tmp_path / "change")
    with locks.CHANGE.open("w") as lock:
        locks.take(lock)
        with pytest.raises(StepFailed, match="another step"):
            main.act({"name": "node0"}, "start-primary", [])


def test_of_two_promotions_the_second_waits_and_no_longer_than_its_script(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done: list[str] = []
    monkeypatch.setattr(locks, "CHANGE", tmp_path / "change")

    def change(config: Any, verb: str, options: list[str]) -> bool:
        done.append(verb)
        return True

    monkeypatch.setattr(main, "change", change)
    monkeypatch.setattr(answer, "all_facts", lambda config: {})
    with locks.CHANGE.open("w") as lock:
        locks.take(lock)
        threading.Timer(0.3, locks.release, [lock]).start()
        assert main.act({"name": "node4"}, "promote", []) == {}
        assert main.act({"name": "node4"}, "promote", ["--unasked"]) == {"node": "node4", "promoted": True}
        locks.take(lock)
        monkeypatch.setattr(main, "PROMOTION_SECONDS", 0.2)
        with pytest.raises(StepFailed, match="another step"):
            main.act({"name": "node4"}, "promote", [])
    assert done == ["promote", "promote"]
    assert main.PROMOTION_SECONDS < failover.PROMOTION_SECONDS + 5


def test_a_second_holder_is_relieved_while_the_cluster_settles(monkeypatch: pytest.MonkeyPatch) -> None:
    doubled = changed(healthy(), "node4", "vip", to=True)
    done: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(cluster, "ask_members", lambda config, settled=False: (healthy() if done else doubled, {}))
    monkeypatch.setattr(cluster, "on_node", lambda config, name, words, seconds: done.append((name, words)))
    assert cluster.settle(config("node0")) == {"primary": "node0", "holder": "node0"}
    assert done == [("node4", ["local", "release-vip"])]


def test_a_node_that_misses_one_request_is_asked_again_while_the_cluster_settles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    doubled = changed(healthy(), "node4", "vip", to=True)
    tries: list[str] = []

    def on_node(config: object, name: str, words: list[str], seconds: float) -> str:
        tries.append(name)
        if len(tries) == 1:
            raise StepFailed("node4 did not answer within 40 s")
        return ""

    monkeypatch.setattr(cluster, "ask_members", lambda _, settled=False: (doubled if len(tries) < 2 else healthy(), {}))
    monkeypatch.setattr(cluster, "on_node", on_node)
    assert cluster.settle(config("node0"))["holder"] == "node0"
    assert tries == ["node4", "node4"]


@pytest.mark.parametrize(("runs_on", "asked"), [("one", ["node0"]), ("every", ["node4"])])
def test_a_backend_is_attached_where_it_counts(runs_on: str, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The leader tells the others, unless each of them fails over by itself and may have lost what it was told."""
    unaware = changed(healthy(), "node4", "pgpool", "backends", 1, "status", to="down")
    told: list[str] = []

    def attach(config: Any, host: str, backend: int) -> bool:
        told.append(host)
        return True

    monkeypatch.setattr(cluster, "ask_members", lambda config, settled=False: (healthy() if told else unaware, {}))
    monkeypatch.setattr(pgpool, "attach", attach)
    cluster.settle(config("node0") | {"pgpool": {"failover_command_runs_on": runs_on}})
    assert told == asked


@pytest.mark.parametrize(
    "astray",
    [
        changed(healthy(), "node4", "pgpool", "backends", 0, "role", to="standby"),
        changed(healthy(), "node4", "pgpool", "backends", to=[]),
    ],
    ids=["misled", "mute"],
)
def test_a_pgpool_that_does_not_find_out_by_itself_is_started_again(
    astray: cluster.Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, str]] = []
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(
        cluster, "ask_members", lambda config, settled=False: (healthy() if len(told) == 2 else astray, {})
    )
    monkeypatch.setattr(cluster, "on_node", lambda config, name, words, seconds: told.append((name, words[-1])))
    assert cluster.settle(config("node0"))["primary"] == "node0"
    assert told == [("node4", "pgpool-stop"), ("node4", "pgpool-apply")]


@pytest.mark.parametrize("left_alone", [False, True])
def test_a_pgpool_without_a_place_after_the_wait_for_it_hangs(
    left_alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is started again at once, unless it is for a rejoin of its own."""
    mute = changed(healthy(), "node4", "pgpool", "backends", to=[])
    hung = changed(mute, "node4", "pgpool", "watchdog_role", to=None)
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it waited") if not told else None)
    monkeypatch.setattr(cluster, "ask_members", lambda config, settled=False: (healthy() if told else hung, {}))
    monkeypatch.setattr(cluster, "on_node", lambda config, name, words, seconds: told.append((name, words[-1])))
    cluster.settle(config("node0"), ["node4"] if left_alone else [])
    assert told == ([] if left_alone else [("node4", "pgpool-stop"), ("node4", "pgpool-apply")])


WITNESS: dict[str, Any] = {"witness": {"name": "witness", "ip": "10.9.0.3"}}


def pgpools(*running: str) -> cluster.Answers:
    """Nodes' facts, with pgpool running on some; one node does not answer."""
    said: cluster.Answers = {name: {"pgpool": {"running": name in running}} for name in NODES}
    return said | {"node5": None}


RESTING: dict[str, tuple[cluster.Answers, str | None, bool]] = {
    "no node's runs and it leads": (pgpools(), "LEADER", True),
    "no node's runs and it does not say what it is": (pgpools(), None, True),
    "a node's runs": (pgpools("node4"), "LEADER", False),
    "it follows a node that does not answer": (pgpools(), "STANDBY", False),
}


@pytest.mark.parametrize(("answers", "role", "stopped"), RESTING.values(), ids=RESTING.keys())
def test_a_witness_does_not_hand_on_what_nobody_kept_up_to_date(
    answers: cluster.Answers, role: str | None, stopped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    said: cluster.Answers = {"witness": {"pgpool": {"running": True, "watchdog_role": role}}}
    monkeypatch.setattr(cluster, "ask", lambda config, names: said if names == ["witness"] else {})
    monkeypatch.setattr(cluster, "tell_witness", lambda config, verb: told.append(verb))
    cluster.rest_witness(config("node0") | WITNESS, answers)
    cluster.rest_witness(config("node0"), answers)
    assert told == (["pgpool-stop"] if stopped else [])


def test_pgpool_is_started_on_the_nodes_then_on_the_witness_which_may_be_away(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def on_node(config: Any, name: str, words: list[str], *, seconds: float) -> str:
        told.append(f"{name} {words[1]}")
        if name == "witness":
            raise StepFailed("no answer")
        return "{}"

    monkeypatch.setattr(cluster, "on_node", on_node)
    monkeypatch.setattr(cluster, "settle", lambda config: {"primary": "node0"})
    assert cluster.serve(config("node0") | WITNESS) == {"primary": "node0"}
    assert told == [*[f"{name} pgpool-apply" for name in NODES], "witness pgpool-apply"]


def test_members_that_are_numbered_anew_are_all_stopped_before_one_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def on_node(config: Any, name: str, words: list[str], *, seconds: float) -> str:
        told.append(f"{name} {words[1]}")
        return json.dumps({"pgpool": "renumbered" if len(told) == 1 else "started"})

    monkeypatch.setattr(cluster, "on_node", on_node)
    monkeypatch.setattr(cluster, "ask_all", lambda config: healthy())
    monkeypatch.setattr(cluster, "settle", lambda config: {"primary": "node0"})
    cluster.serve(config("node0") | WITNESS)
    assert told == [
        "node0 pgpool-apply",
        "witness pgpool-stop",
        "node4 pgpool-stop",
        "node0 pgpool-stop",
        *[f"{name} pgpool-apply" for name in NODES],
        "witness pgpool-apply",
    ]


def test_nodes_and_witness_are_asked_at_the_same_time_and_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(4)

    def on_node(config: Any, name: str, words: list[str], *, seconds: float) -> str:
        together.wait(timeout=5)
        return json.dumps({"node": name})

    monkeypatch.setattr(cluster, "on_node", on_node)
    nodes, witness = cluster.ask_members(config("outside") | WITNESS)
    assert (list(nodes), witness) == (list(NODES), {"witness": {"node": "witness"}})


def test_settling_waits_for_the_witness(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, list[str]]] = []
    stopped: dict[str, Any] = {"running": False, "watchdog_role": None, "backends": []}

    def ask(config: Any, *, settled: bool = False) -> tuple[cluster.Answers, cluster.Answers]:
        return healthy(), a_witness() if done else changed(a_witness(), "witness", "pgpool", to=stopped)

    monkeypatch.setattr(cluster, "ask_members", ask)
    monkeypatch.setattr(cluster, "on_node", lambda config, name, words, seconds: done.append((name, words)))
    assert cluster.settle(config("node0") | WITNESS) == {"primary": "node0", "holder": "node0"}
    assert done == [("witness", ["local", "pgpool-apply"])]


def test_a_witness_has_facts_of_its_pgpool_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pgpool, "facts", lambda config: {"running": True})
    monkeypatch.setattr(pgpool, "holds_vip", lambda config: False)
    monkeypatch.setattr(node_facts, "postgres", lambda config: {"running": True})
    said = {"node": "witness", "pgpool": {"running": True}, "vip": False}
    assert answer.all_facts(config("witness") | WITNESS) == said
    assert set(answer.all_facts(config("node0") | WITNESS)) == {
        *("node", "postgres", "pgpool", "vip"),
        *("joining", "changing"),
    }
