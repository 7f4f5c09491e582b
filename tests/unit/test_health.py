"""Health is judged from the nodes' answers alone: each thing that is wrong gives its sentence."""

from __future__ import annotations

import copy

import pytest

from pgpool_lab.node import health
from tests.unit.facts import Answers, a_witness, changed, healthy

THREE = ("node0", "node4", "node5")


@pytest.mark.parametrize(
    "answers",
    [
        healthy(),
        healthy(primary="node4", leader="node4"),
        healthy(leader="node4"),
        healthy(THREE),
        changed(healthy(), "node0", "pgpool", "backends", 1, "status", to="waiting"),
    ],
    ids=["as built", "all moved", "VIP apart from the primary", "three nodes", "backend nobody has used yet"],
)
def test_a_healthy_cluster_has_no_problems(answers: Answers) -> None:
    assert health.problems(answers) == []


def stopped(answers: Answers, node: str) -> Answers:
    changed(answers, node, "postgres", "running", to=False)
    changed(answers, node, "postgres", "in_recovery", to=None)
    return changed(answers, node, "postgres", "streaming_from", to=None)


def pgpool_dead(answers: Answers, node: str) -> Answers:
    return changed(answers, node, "pgpool", to={"running": False, "watchdog_role": None, "backends": []})


PROBLEMS: dict[str, tuple[Answers, list[str]]] = {
    "a node is silent": (changed(healthy(), "node4", to=None), ["node4 cannot be reached"]),
    "no node answers": (
        {"node0": None, "node4": None},
        ["node0 cannot be reached", "node4 cannot be reached", "no node is primary", "no node holds the virtual IP"],
    ),
    "a standby is stopped": (stopped(healthy(), "node4"), ["PostgreSQL is not running on node4"]),
    "the primary is stopped": (
        stopped(healthy(), "node0"),
        ["PostgreSQL is not running on node0", "no node is primary"],
    ),
    "two primaries": (
        changed(healthy(), "node4", "postgres", "in_recovery", to=False),
        [
            "more than one primary: node0 and node4",
            "pgpool on node0 believes that node0 is primary",
            "pgpool on node4 believes that node0 is primary",
        ],
    ),
    "a standby does not stream": (
        changed(healthy(), "node4", "postgres", "streaming_from", to=None),
        ["node4 does not stream from the primary node0"],
    ),
    "a standby streams from another standby": (
        changed(healthy(THREE), "node5", "postgres", "streaming_from", to="node4"),
        ["node5 does not stream from the primary node0"],
    ),
    "a standby is on an old timeline": (
        changed(healthy(), "node4", "postgres", "timeline", to=1),
        ["node4 is on timeline 1, the primary on 2"],
    ),
    "PostgreSQL hangs": (
        changed(healthy(), "node4", "postgres", "in_recovery", to=None),
        ["PostgreSQL on node4 does not answer"],
    ),
    "pgpool is stopped on the standby": (pgpool_dead(healthy(), "node4"), ["pgpool is not running on node4"]),
    "pgpool is stopped everywhere": (
        pgpool_dead(pgpool_dead(changed(healthy(), "node0", "vip", to=False), "node0"), "node4"),
        ["pgpool is not running on node0", "pgpool is not running on node4", "no node holds the virtual IP"],
    ),
    "the watchdog is joining": (
        changed(healthy(), "node4", "pgpool", "watchdog_role", to="JOINING"),
        ["pgpool on node4 has watchdog state JOINING"],
    ),
    "the watchdog does not say": (
        changed(healthy(), "node4", "pgpool", "watchdog_role", to=None),
        ["pgpool on node4 has watchdog state unknown"],
    ),
    "nobody leads": (
        changed(healthy(), "node0", "pgpool", "watchdog_role", to="STANDBY"),
        [
            "no pgpool leads the watchdog cluster",
            "node0 holds the virtual IP but does not lead the watchdog cluster",
        ],
    ),
    "two lead": (
        changed(healthy(), "node4", "pgpool", "watchdog_role", to="LEADER"),
        ["more than one watchdog leader: node0 and node4"],
    ),
    "pgpool does not answer clients": (
        changed(healthy(), "node4", "pgpool", "backends", to=[]),
        ["pgpool on node4 does not say what it believes of the backends"],
    ),
    "one pgpool holds a backend for down": (
        changed(healthy(), "node4", "pgpool", "backends", 1, "status", to="down"),
        ["pgpool on node4 believes that node4 is down"],
    ),
    "a backend is in quarantine": (
        changed(healthy(), "node0", "pgpool", "backends", 1, "status", to="quarantine"),
        ["pgpool on node0 believes that node4 is quarantine"],
    ),
    "one pgpool believes in the wrong primary": (
        changed(
            changed(healthy(), "node4", "pgpool", "backends", 0, "role", to="standby"),
            "node4",
            "pgpool",
            "backends",
            1,
            "role",
            to="primary",
        ),
        ["pgpool on node4 believes that node0 is standby", "pgpool on node4 believes that node4 is primary"],
    ),
    "nobody holds the virtual IP": (
        changed(healthy(), "node0", "vip", to=False),
        ["no node holds the virtual IP"],
    ),
    "two hold the virtual IP": (
        changed(healthy(), "node4", "vip", to=True),
        ["more than one node holds the virtual IP: node0 and node4"],
    ),
    "the virtual IP is with a follower": (
        changed(changed(healthy(), "node0", "vip", to=False), "node4", "vip", to=True),
        ["node4 holds the virtual IP but does not lead the watchdog cluster"],
    ),
}


@pytest.mark.parametrize(("answers", "expected"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_a_problem_gives_its_sentence_and_no_other(answers: Answers, expected: list[str]) -> None:
    assert health.problems(answers) == expected


WITNESS: dict[str, tuple[Answers, Answers, list[str]]] = {
    "all well": (healthy(), a_witness(), []),
    "it cannot be reached": (healthy(), {"witness": None}, ["witness cannot be reached"]),
    "its pgpool is stopped": (healthy(), pgpool_dead(a_witness(), "witness"), ["pgpool is not running on witness"]),
    "it is joining": (
        healthy(),
        changed(a_witness(), "witness", "pgpool", "watchdog_role", to="JOINING"),
        ["pgpool on witness has watchdog state JOINING"],
    ),
    "it leads": (
        changed(changed(healthy(), "node0", "pgpool", "watchdog_role", to="STANDBY"), "node0", "vip", to=False),
        changed(a_witness(), "witness", "pgpool", "watchdog_role", to="LEADER"),
        ["no node holds the virtual IP", "witness leads the watchdog cluster, a witness that can serve nobody"],
    ),
    "it leads as well": (
        healthy(),
        changed(a_witness(), "witness", "pgpool", "watchdog_role", to="LEADER"),
        [
            "more than one watchdog leader: node0 and witness",
            "witness leads the watchdog cluster, a witness that can serve nobody",
        ],
    ),
    "it holds the virtual IP as well": (
        healthy(),
        changed(a_witness(), "witness", "vip", to=True),
        [
            "more than one node holds the virtual IP: node0 and witness",
            "witness holds the virtual IP, a witness that can serve nobody",
        ],
    ),
    "it believes what is not so": (
        healthy(),
        changed(a_witness(), "witness", "pgpool", "backends", 1, "status", to="down"),
        ["pgpool on witness believes that node4 is down"],
    ),
}


@pytest.mark.parametrize(("answers", "witness", "expected"), WITNESS.values(), ids=WITNESS.keys())
def test_a_witness_is_asked_for_its_pgpool_alone(answers: Answers, witness: Answers, expected: list[str]) -> None:
    assert health.problems(answers, witness=witness) == expected


def test_a_witness_that_is_not_waited_for_is_no_problem() -> None:
    assert health.problems(healthy(), witness={"witness": None}, absent=["witness"]) == []
    dead = pgpool_dead(a_witness(), "witness")
    assert health.problems(healthy(), witness=dead, stopped_pgpools=["witness"]) == []


def test_what_a_witness_believes_is_mended_as_well() -> None:
    down = changed(a_witness(), "witness", "pgpool", "backends", 1, "status", to="down")
    assert health.to_attach(healthy(), witness=down) == ["node4"]


ABSENT: dict[str, tuple[Answers, list[str]]] = {
    "none": (healthy(THREE), []),
    "silent": (changed(healthy(THREE), "node5", to=None), ["node5"]),
    "stopped": (stopped(healthy(THREE), "node5"), ["node5"]),
    "it hangs": (changed(healthy(THREE), "node5", "postgres", "in_recovery", to=None), ["node5"]),
    "it follows nobody": (changed(healthy(THREE), "node5", "postgres", "streaming_from", to=None), ["node5"]),
    "it follows a standby": (changed(healthy(THREE), "node5", "postgres", "streaming_from", to="node4"), ["node5"]),
    "a second primary is present": (changed(healthy(THREE), "node4", "postgres", "in_recovery", to=False), []),
}


@pytest.mark.parametrize(("answers", "expected"), ABSENT.values(), ids=ABSENT.keys())
def test_who_takes_no_part(answers: Answers, expected: list[str]) -> None:
    assert health.absentees(answers) == expected


def test_a_pgpool_takes_part_when_it_has_its_place() -> None:
    assert health.without_pgpool(healthy(THREE)) == []
    assert health.without_pgpool(pgpool_dead(healthy(THREE), "node5")) == ["node5"]
    assert health.without_pgpool(changed(healthy(THREE), "node5", "pgpool", "watchdog_role", to=None)) == ["node5"]
    assert health.without_pgpool(changed(healthy(THREE), "node5", to=None)) == []


@pytest.mark.parametrize("case", [case for case in ABSENT if ABSENT[case][1]])
def test_who_is_not_waited_for_is_no_problem(case: str) -> None:
    answers = believed_down(copy.deepcopy(ABSENT[case][0]), 2, "node0", "node4")
    assert health.problems(answers) != []
    assert health.problems(answers, absent=["node5"]) == []
    other = changed(copy.deepcopy(answers), "node4", "postgres", "streaming_from", to=None)
    assert health.problems(other, absent=["node5"]) == ["node4 does not stream from the primary node0"]


def test_a_pgpool_that_is_not_waited_for_is_no_problem() -> None:
    for answers in (
        pgpool_dead(healthy(THREE), "node5"),
        changed(healthy(THREE), "node5", "pgpool", "watchdog_role", to=None),
    ):
        assert health.problems(answers) != []
        assert health.problems(answers, stopped_pgpools=["node5"]) == []


def test_two_primaries_are_a_problem_whoever_is_waited_for() -> None:
    answers = changed(healthy(THREE), "node5", "postgres", "in_recovery", to=False)
    assert "more than one primary: node0 and node5" in health.problems(answers, absent=["node5"])


def believed_down(answers: Answers, backend: int, *nodes: str) -> Answers:
    for node in nodes:
        changed(answers, node, "pgpool", "backends", backend, "status", to="down")
    return answers


TO_ATTACH: dict[str, tuple[Answers, list[str]]] = {
    "all up": (healthy(), []),
    "held for down by one pgpool": (believed_down(healthy(), 1, "node4"), ["node4"]),
    "held for down by all": (believed_down(healthy(), 1, "node0", "node4"), ["node4"]),
    "the primary is held for down": (believed_down(healthy(), 0, "node0"), ["node0"]),
    "two at once": (believed_down(believed_down(healthy(THREE), 1, "node0"), 2, "node4"), ["node4", "node5"]),
    "down and not streaming": (
        changed(believed_down(healthy(), 1, "node0"), "node4", "postgres", "streaming_from", to=None),
        [],
    ),
    "down and streaming from another standby": (
        changed(believed_down(healthy(THREE), 2, "node0"), "node5", "postgres", "streaming_from", to="node4"),
        [],
    ),
    "down and silent": (changed(believed_down(healthy(), 1, "node0"), "node4", to=None), []),
    "no primary": (stopped(believed_down(healthy(), 1, "node0"), "node0"), []),
    "two primaries": (
        changed(believed_down(healthy(), 1, "node0"), "node4", "postgres", "in_recovery", to=False),
        [],
    ),
}


@pytest.mark.parametrize(("answers", "expected"), TO_ATTACH.values(), ids=TO_ATTACH.keys())
def test_a_backend_is_attached_only_when_it_streams(answers: Answers, expected: list[str]) -> None:
    assert health.to_attach(answers) == expected


PRIMARIES: dict[str, tuple[Answers, list[str]]] = {
    "one": (healthy(primary="node4"), ["node4"]),
    "two": (changed(healthy(), "node4", "postgres", "in_recovery", to=False), ["node0", "node4"]),
    "it is silent": (changed(healthy(), "node0", to=None), []),
    "it hangs": (changed(healthy(), "node0", "postgres", "in_recovery", to=None), []),
    "its service is stopped": (changed(healthy(), "node0", "postgres", "running", to=False), []),
}


@pytest.mark.parametrize(("answers", "expected"), PRIMARIES.values(), ids=PRIMARIES.keys())
def test_a_primary_is_a_running_node_out_of_recovery(answers: Answers, expected: list[str]) -> None:
    assert health.primaries(answers) == expected


def test_holders_are_the_nodes_that_have_the_virtual_ip() -> None:
    assert health.holders(healthy(leader="node4")) == ["node4"]
    assert health.holders(changed(healthy(), "node4", "vip", to=True)) == ["node0", "node4"]
    assert health.holders(changed(healthy(), "node0", to=None)) == []


def test_the_virtual_ip_goes_off_whoever_does_not_lead_once_the_leader_has_it() -> None:
    doubled = changed(healthy(), "node4", "vip", to=True)
    assert health.to_release(doubled) == ["node4"]
    assert health.to_release(healthy()) == []


def test_before_the_leader_has_the_virtual_ip_nobody_loses_it() -> None:
    handed_over = changed(changed(healthy(), "node0", "vip", to=False), "node4", "vip", to=True)
    assert health.to_release(handed_over) == []
    leaderless = changed(changed(healthy(), "node4", "vip", to=True), "node0", "pgpool", "watchdog_role", to="JOINING")
    assert health.to_release(leaderless) == []


def test_a_pgpool_that_knows_less_than_its_leader_is_misled() -> None:
    assert health.misled(healthy()) == []
    assert health.misled(changed(healthy(), "node4", "pgpool", "backends", 0, "role", to="standby")) == ["node4"]
    assert health.misled(changed(healthy(), "node4", "pgpool", "backends", 1, "status", to="down")) == ["node4"]
    astray = changed(a_witness(), "witness", "pgpool", "backends", 0, "role", to="standby")
    assert health.misled(healthy(), witness=astray) == ["witness"]


def test_a_pgpool_that_runs_and_says_nothing_is_mute() -> None:
    silent = changed(healthy(), "node4", "pgpool", "backends", to=[])
    assert health.mute(silent) == ["node4"]
    assert health.mute(healthy()) == health.mute(pgpool_dead(healthy(), "node4")) == []


def test_nobody_is_misled_by_a_leader_that_knows_no_better_itself() -> None:
    both = changed(healthy(), "node4", "pgpool", "backends", 0, "role", to="standby")
    assert health.misled(changed(both, "node0", "pgpool", "backends", 0, "role", to="standby")) == []
    silent = changed(healthy(), "node4", "pgpool", "backends", to=[])
    assert health.misled(silent) == []
    assert health.misled(changed(healthy(), "node0", "pgpool", "backends", 1, "status", to="down")) == []


def test_a_pgpool_that_knows_no_primary_is_told_and_its_leader_after_the_others() -> None:
    """Nobody was promoted in the failover, and somebody was later: no pgpool searches again."""
    forced = changed(pgpool_dead(healthy(primary="node4"), "node0"), "node0", "postgres", "running", to=False)
    assert health.without_primary(forced) == []
    nobody = changed(forced, "node4", "pgpool", "backends", 1, "role", to="standby")
    assert health.without_primary(nobody) == ["node4"]
    both = changed(healthy(), "node4", "pgpool", "backends", 0, "role", to="standby")
    both = changed(both, "node0", "pgpool", "backends", 0, "role", to="standby")
    assert health.without_primary(both) == ["node4"], "node0 leads"
    told = changed(both, "node4", "pgpool", "backends", 0, "role", to="primary")
    assert health.without_primary(told) == ["node0"]
    detached = changed(told, "node0", "pgpool", "backends", 0, "status", to="down")
    assert health.without_primary(detached) == [], "it is attached first, and pgpool searches then"


WAYS_OUT: dict[str, tuple[Answers, Answers, str]] = {
    "a node's pgpool": (pgpool_dead(healthy(), "node4"), a_witness(), "./lab rejoin NODE"),
    "the witness's pgpool": (healthy(), pgpool_dead(a_witness(), "witness"), "./lab rejoin NODE"),
    "the witness's machine": (healthy(), {"witness": None}, "./lab up two-node-witness"),
    "both": (
        pgpool_dead(healthy(), "node4"),
        {"witness": None},
        "./lab up two-node-witness for witness, ./lab rejoin NODE for a node",
    ),
}


@pytest.mark.parametrize(("answers", "witness", "expected"), WAYS_OUT.values(), ids=WAYS_OUT.keys())
def test_the_way_out_is_a_command_that_knows_the_machine(answers: Answers, witness: Answers, expected: str) -> None:
    problems = health.problems(answers, witness=witness)
    assert health.way_out(problems, witness, "two-node-witness") == expected
