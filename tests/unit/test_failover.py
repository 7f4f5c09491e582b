"""The rules of the failover script: when nobody is promoted, and who is promoted otherwise."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pgpool_lab.node import checker, failover, overtaken, script, silence, standing
from pgpool_lab.node.failover import decide
from pgpool_lab.node.standing import Answer


def standby(name: str, timeline: int = 1, received: int = 100, *, preferred: bool = False) -> Answer:
    return Answer(name, in_recovery=True, timeline=timeline, received=received, preferred=preferred)


def primary(name: str, timeline: int = 2) -> Answer:
    return Answer(name, in_recovery=False, timeline=timeline, received=0)


NOBODY: dict[str, tuple[int, int, list[Answer], str]] = {
    "a standby failed": (1, 0, [primary("node0"), standby("node5")], "a standby failed"),
    "a standby failed and nobody answers": (1, 0, [], "a standby failed"),
    "pgpool knows no primary": (0, -1, [standby("node4")], "no primary"),
    "unknown is not the same as unknown": (-1, -1, [standby("node4")], "no primary"),
    "a primary is there already": (0, 0, [primary("node4"), standby("node5", 1, 900)], "node4 is primary already"),
    "the primary is another one": (0, 0, [standby("node5"), primary("node4", 1)], "node4 is primary already"),
    "nobody answers": (0, 0, [], "no standby can be reached"),
}
WITHOUT_PRIMARY = {"pgpool knows no primary", "unknown is not the same as unknown", "nobody answers"}


@pytest.mark.parametrize("case", NOBODY)
def test_nobody_is_promoted(case: str) -> None:
    failed, old_primary, answers, reason = NOBODY[case]
    decision = decide(failed, old_primary, answers)
    assert decision.promote is None
    assert reason in decision.reason
    assert decision.complete == (case not in WITHOUT_PRIMARY)


CHOICES: dict[str, tuple[list[Answer], str]] = {
    "the only standby": ([standby("node4")], "node4"),
    "most WAL, not the lowest id": ([standby("node4", 1, 100), standby("node5", 1, 200)], "node5"),
    "most WAL, whoever answered first": ([standby("node5", 1, 200), standby("node4", 1, 100)], "node5"),
    "a newer timeline before more WAL": ([standby("node4", 2, 100), standby("node5", 1, 900)], "node4"),
    "the first of two equal ones": ([standby("node4"), standby("node5")], "node4"),
    "the preferred one of two equal ones": ([standby("node4"), standby("node5", preferred=True)], "node5"),
    "more WAL before a preference": ([standby("node4", 1, 101), standby("node5", preferred=True)], "node4"),
    "an old primary that came back does not count": ([primary("node5", 1), standby("node4", 2)], "node4"),
}


@pytest.mark.parametrize(("answers", "expected"), CHOICES.values(), ids=CHOICES.keys())
def test_the_most_advanced_standby_is_promoted(answers: Sequence[Answer], expected: str) -> None:
    decision = decide(0, 0, answers)
    assert decision.promote == expected
    assert "most advanced" in decision.reason


def test_the_failed_primary_may_be_any_backend() -> None:
    assert decide(1, 1, [standby("node0")]).promote == "node0"
    assert decide(0, 1, [standby("node0")]).promote is None


CONFIG: dict[str, Any] = {
    "name": "node4",
    "vip": "192.0.2.9",
    "pgpool": {"failover_command_runs_on": "one"},
    "nodes": [
        {"name": "node0", "ip": "127.0.0.1", "backend_id": 0},
        {"name": "node4", "ip": "127.0.0.2", "backend_id": 1},
        {"name": "node5", "ip": "127.0.0.3", "backend_id": 2},
    ],
    "postgresql": {"port": 5432, "replication": "async"},
}


@pytest.fixture(autouse=True)
def no_process_is_signalled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pgpool of this machine has a checker, too."""
    monkeypatch.setattr(checker, "wake", lambda: None)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps that are taken on nodes; none is really taken."""
    taken: list[str] = []

    def on_node(node: Any, words: str, seconds: float) -> str:
        taken.append(f"{node['name']}: {words}")
        return ""

    monkeypatch.setattr(failover, "on_node", on_node)
    monkeypatch.setattr(
        failover,
        "end_postgresql",
        lambda node, seconds, here: on_node(node, "fence here" if here else "fence", seconds),
    )
    monkeypatch.setattr(failover, "start_on_node", lambda node, words: taken.append(f"{node['name']}: {words}"))
    return taken


def promotion(done: list[str]) -> Callable[[Any, Any], bool]:
    """A promotion that succeeds and is only written down."""

    def promote(config: Any, node: Any) -> bool:
        done.append(f"promote {node['name']}")
        return True

    return promote


FENCES: dict[str, tuple[Exception | None, str, list[str]]] = {
    "it listens": (None, "stopped", ["node0: fence"]),
    "nothing listens": (ConnectionRefusedError(), "nothing listens there", []),
    "the host is gone": (TimeoutError("timed out"), "it cannot be reached (timed out)", []),
    "its network is gone": (OSError(113, "No route"), "it cannot be reached ([Errno 113] No route)", []),
}


@pytest.mark.parametrize(("failure", "said", "expected"), FENCES.values(), ids=FENCES.keys())
def test_a_host_that_does_not_answer_is_not_entered(
    failure: Exception | None, said: str, expected: list[str], steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        waits.append(timeout)
        if failure:
            raise failure
        return socket.socket()

    monkeypatch.setattr(socket, "create_connection", connect)
    assert failover.fence(CONFIG, CONFIG["nodes"][0]) == said
    assert steps == expected
    assert max(waits) < 1.5


EVENTS: dict[str, tuple[list[str], list[Answer], int, list[str]]] = {
    "the one that pgpool expects": (["0", "node0", "0", "1", "node4"], [standby("node4")], 0, ["promote node4"]),
    "pgpool holds it for down": (["0", "node0", "0", "-1", ""], [standby("node4")], 0, ["promote node4", "admit"]),
    "another one is further": (
        ["0", "node0", "0", "1", "node4"],
        [standby("node5", received=200), standby("node4")],
        0,
        ["promote node5", "admit"],
    ),
    "whoever answers first": (["0", "node0", "0", "1", ""], [standby("node5"), standby("node4")], 0, ["promote node4"]),
    "a standby failed": (["2", "node5", "0", "0", "node0"], [primary("node0")], 0, []),
    "no primary is known": (["0", "node0", "-1", "1", "node4"], [standby("node4")], 1, []),
    "a primary is there": (["0", "node0", "0", "1", "node4"], [primary("node4")], 0, []),
    "nobody answers": (["0", "node0", "0", "1", "node4"], [], 1, []),
}


def called(
    config: dict[str, Any], failed: str, answers: list[Answer], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script's surroundings where `failed` is fenced at once and the others answer so."""

    class Asked:
        silent = ("node9: no answer",)

        def __init__(self, config: Any, nodes: Any) -> None:
            assert failed not in [node["name"] for node in nodes], "the failed node is not asked"

        def answers(self) -> list[Answer]:
            return answers

    configuration = folder / "node.json"
    configuration.write_text(json.dumps(config))
    monkeypatch.setattr(failover, "CONFIGURATION", str(configuration))
    monkeypatch.setattr(script, "LOG", str(folder / "failover.log"))
    monkeypatch.setattr(failover, "Question", Asked)
    monkeypatch.setattr(failover, "drop_connections", lambda ip, port: None)
    monkeypatch.setattr(failover, "fence", lambda config, node: "stopped")


@pytest.mark.parametrize(("words", "answers", "code", "expected"), EVENTS.values(), ids=EVENTS.keys())
def test_what_the_script_does_and_says(
    words: list[str],
    answers: list[Answer],
    code: int,
    expected: list[str],
    steps: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    called(CONFIG, words[1], answers, tmp_path, monkeypatch)
    monkeypatch.setattr(failover, "drop_connections", lambda ip, port: done.append(f"drop {ip}"))
    monkeypatch.setattr(failover, "drop_everywhere", lambda config, node: done.append(f"drop everywhere {node['ip']}"))
    monkeypatch.setattr(failover, "promote", promotion(done))
    assert failover.main(words) == code
    address = CONFIG["nodes"][int(words[0])]["ip"]
    # For a primary the follow command has the others do so.
    where = "drop everywhere" if words[0] != words[2] else "drop"
    assert [step for step in done if step.startswith("drop ")] == [f"{where} {address}"]
    assert [
        *[step for step in done if not step.startswith("drop ")],
        *[step.split(": ")[1] for step in steps],
    ] == expected
    assert "called:" in (tmp_path / "failover.log").read_text()


@pytest.mark.parametrize("failed", ["node0", "node4"], ids=["primary", "standby"])
def test_a_pgpool_that_another_has_just_taken_over_from_is_not_obeyed(
    failed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stood still, and has a node for failed that is well."""

    def never(*arguments: Any) -> None:
        raise AssertionError("nothing may be fenced, dropped or promoted")

    called(CONFIG, "node0", [standby("node4")], tmp_path, monkeypatch)
    for what in ("fence", "promote", "drop_connections", "drop_everywhere"):
        monkeypatch.setattr(failover, what, never)
    monkeypatch.setattr(overtaken, "FILE", str(tmp_path / "overtaken"))
    overtaken.say()
    number = {"node0": "0", "node4": "1"}[failed]
    assert failover.main([number, failed, "0", "1", "node4"]) == 0
    assert "nothing is done" in (tmp_path / "failover.log").read_text()


@pytest.mark.parametrize(
    ("fenced", "promoted", "again"),
    [
        ("stopped", True, False),
        ("nothing listens there", True, False),
        ("it cannot be reached (timed out)", True, True),
        ("no answer within 5 s", True, True),
        ("no answer within 5 s", False, True),
        ("stopped", False, False),
        ("a clean stop is under way", True, False),
    ],
)
def test_who_was_not_fenced_in_time_is_fenced_beside_the_new_primary(
    fenced: str,
    promoted: bool,
    again: bool,
    steps: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def promote(config: Any, node: Any) -> bool:
        steps.append("promote")
        return promoted

    called(CONFIG, "node0", [standby("node4"), standby("node5")], tmp_path, monkeypatch)
    monkeypatch.setattr(failover, "fence", lambda config, node: fenced)
    monkeypatch.setattr(failover, "wait_for_end", lambda config, node: None)
    monkeypatch.setattr(failover, "promote", promote)
    monkeypatch.setattr(failover, "start", lambda words: steps.append(" ".join(words[-2:])))
    failover.main(["0", "node0", "0", "1", "node4"])
    assert steps == ["promote", *(["postgres@node0 sudo -n /usr/local/sbin/lab-fence"] if again else [])]


def test_the_fence_has_its_answer_before_connections_are_dropped(
    steps: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    def fence(config: Any, node: Any) -> str:
        events.append("fence")
        return "it cannot be reached (timed out)"

    called(CONFIG, "node0", [standby("node4")], tmp_path, monkeypatch)
    monkeypatch.setattr(failover, "fence", fence)
    monkeypatch.setattr(failover, "drop_connections", lambda ip, port: events.append("drop"))
    monkeypatch.setattr(failover, "promote", lambda config, node: True)
    monkeypatch.setattr(checker, "wake", lambda: events.append("wake the checker"))
    assert failover.main(["0", "node0", "0", "1", "node4"]) == 0
    # The checker that loses its connection may ask a standby next, and sleep then.
    assert events == ["fence", "drop", "wake the checker"]


def test_a_full_disk_keeps_no_failover_from_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "LOG", "/dev/full")
    script.log("called: 0 node0 0 1 node4 node0")


@pytest.mark.parametrize(
    ("replication", "promoted", "expected"),
    [("sync", True, ["node5: succeed --old node0"]), ("sync", False, []), ("async", True, [])],
)
def test_where_commits_wait_for_a_standby_it_follows_as_soon_as_there_is_somebody_to_follow(
    replication: str,
    promoted: bool,
    expected: list[str],
    steps: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = CONFIG | {"postgresql": {"port": 5432, "replication": replication}}
    called(config, "node0", [standby("node4"), standby("node5")], tmp_path, monkeypatch)
    monkeypatch.setattr(failover, "promote", lambda config, node: promoted)
    assert failover.main(["0", "node0", "0", "1", "node4"]) == (0 if promoted else 1)
    assert steps == expected


def test_a_planned_stop_is_waited_for_though_nobody_is_preferred(
    steps: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    class Asked:
        silent = ()

        def __init__(self, config: Any, nodes: Any) -> None:
            events.append("ask")

        def answers(self) -> list[Answer]:
            return [standby("node4")]

    (tmp_path / "node.json").write_text(json.dumps(CONFIG))
    monkeypatch.setattr(failover, "CONFIGURATION", str(tmp_path / "node.json"))
    monkeypatch.setattr(script, "LOG", str(tmp_path / "failover.log"))
    monkeypatch.setattr(failover, "Question", Asked)
    monkeypatch.setattr(failover, "drop_connections", lambda ip, port: events.append("drop"))
    monkeypatch.setattr(failover, "fence", lambda config, node: failover.UNDER_WAY)
    monkeypatch.setattr(failover, "wait_for_end", lambda config, node: events.append("wait"))
    monkeypatch.setattr(failover, "promote", promotion(events))
    assert failover.main(["0", "node0", "0", "1", "node4"]) == 0
    # A standby that is where the script runs has its stream dropped too: not before it has everything.
    assert events.index("drop") > events.index("wait")
    assert [event for event in events if event != "drop"] == ["ask", "wait", "ask", "promote node4"]


def test_a_switchover_s_stop_is_waited_for_and_everyone_asked_again(
    steps: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    rounds = iter(
        [
            [standby("node4", received=101), standby("node5", received=100, preferred=True)],
            [standby("node4", received=200), standby("node5", received=200, preferred=True)],
        ]
    )

    class Asked:
        silent = ()

        def __init__(self, config: Any, nodes: Any) -> None:
            self._answers = next(rounds)
            events.append("ask")

        def answers(self) -> list[Answer]:
            return self._answers

    listening = iter([True, True, False])

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        events.append(f"probe {address[0]}")
        if not next(listening):
            raise ConnectionRefusedError
        return socket.socket()

    (tmp_path / "node.json").write_text(json.dumps(CONFIG))
    monkeypatch.setattr(failover, "CONFIGURATION", str(tmp_path / "node.json"))
    monkeypatch.setattr(script, "LOG", str(tmp_path / "failover.log"))
    monkeypatch.setattr(failover, "Question", Asked)
    monkeypatch.setattr(failover, "drop_connections", lambda ip, port: None)
    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr(failover, "promote", promotion(events))
    assert failover.main(["0", "node0", "0", "1", "node4"]) == 0
    # The first probe is the fence's; its step waits on the node for a clean stop that is under way.
    assert events == ["ask", *["probe 127.0.0.1"] * 3, "ask", "promote node5"]
    assert steps == ["node0: fence", "node5: admit"]


def test_a_host_that_has_been_silent_for_long_delays_the_promotion_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        waits.append(timeout)
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr(silence, "FILE", str(tmp_path / "silent"))
    for silent in ([], ["192.168.31.135"], ["192.168.31.135", CONFIG["nodes"][0]["ip"]]):
        silence.say(silent)
        failover.fence(CONFIG, CONFIG["nodes"][0])
    usual = standing.PROBE_SECONDS
    assert waits == [usual, usual, failover.SILENT_SECONDS]
    assert usual > 1 > failover.SILENT_SECONDS


def test_a_host_whose_connection_was_dropped_with_the_others_is_fenced(
    steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        raise ConnectionAbortedError

    monkeypatch.setattr(socket, "create_connection", connect)
    assert failover.fence(CONFIG, CONFIG["nodes"][0]) == "stopped"
    assert steps == ["node0: fence"]


def test_the_node_where_the_script_runs_is_fenced_without_a_login(
    steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: socket.socket())
    assert failover.fence(CONFIG, CONFIG["nodes"][1]) == "stopped"
    assert steps == ["node4: fence here"]


def test_the_fence_shares_a_connection_and_a_long_step_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[Sequence[str]] = []

    def ran(words: Sequence[str], seconds: float) -> str:
        commands.append(words)
        return ""

    monkeypatch.setattr(script, "ran", ran)
    script.end_postgresql({"name": "node0"}, 3, here=False)
    script.on_node({"name": "node0"}, "promote", 30)
    script.end_postgresql({"name": "node0"}, 3, here=True)
    fence, step, here = commands
    assert script.KEPT_CONNECTION in fence and script.KEPT_CONNECTION not in step
    assert list(fence[-2:]) == ["postgres@node0", f"sudo -n {script.FENCE}"]
    assert list(step[-2:]) == ["postgres@node0", f"sudo -n {script.AGENT} promote"]
    assert here == ["sudo", "-n", script.FENCE]


def test_a_program_of_root_s_that_takes_too_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(process: subprocess.Popen[str]) -> None:
        raise PermissionError

    monkeypatch.setattr(subprocess.Popen, "kill", kill)
    begun = time.monotonic()
    assert script.ran(["sleep", "2"], 0.1) == "no answer within 0.1 s"
    assert time.monotonic() - begun < 1.5


@pytest.mark.parametrize(
    ("program", "said"), [("true", ""), ("exit 3", "exit code 3"), ("echo why >&2; exit 1", "why")]
)
def test_what_went_wrong_is_told(program: str, said: str) -> None:
    assert script.ran(["bash", "-c", program], 10) == said


@pytest.mark.parametrize(
    ("fenced", "asked", "answered", "replication", "again"),
    [
        ("stopped", 2, 2, "async", True),
        ("stopped", 1, 1, "async", False),
        ("nothing listens there", 2, 2, "sync", False),
        ("nothing listens there", 2, 1, "async", False),
        ("it cannot be reached (timed out)", 2, 1, "sync", True),
        ("it cannot be reached (timed out)", 2, 2, "async", False),
        ("no answer within 5 s", 2, 2, "async", True),
    ],
)
def test_standbys_are_asked_again_where_the_first_answers_may_name_the_wrong_one(
    fenced: str, asked: int, answered: int, replication: str, again: bool
) -> None:
    assert failover.asks_again(fenced, asked, answered, replication) is again
