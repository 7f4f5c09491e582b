"""Samples on this side: read, timed, and missed when a node is silent."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pgpool_lab.cluster.outputs import LabOutputs
from pgpool_lab.errors import LabError
from pgpool_lab.harness.observer import Observer, arp, node_watch, vip_watch
from pgpool_lab.harness.observer.full import from_facts
from pgpool_lab.harness.observer.moments import Uptime
from pgpool_lab.harness.observer.node_watch import NodeWatch
from pgpool_lab.harness.observer.reading import read_line
from pgpool_lab.harness.observer.vip_watch import VipWatch
from pgpool_lab.harness.samples import NodeSample, VipSample
from tests.unit import lab_outputs
from tests.unit.facts import changed, healthy

OUTPUTS = LabOutputs.model_validate(lab_outputs.values())

LINE: dict[str, Any] = {
    "uptime": 100.5,
    "clock": 1000.0,
    "vip": True,
    "postgres": {
        "running": True,
        "frozen": False,
        "answered": True,
        "role": "standby",
        "timeline": 3,
        "lsn": "0/5000100",
        "replayed": "0/5000000",
        "streaming_from": "node4",
        "writable": False,
    },
    "pgpool": {
        "running": True,
        "frozen": False,
        "backends": [{"name": "node0", "status": "down", "role": "standby"}],
        "noticed": 2,
    },
}


def read(line: dict[str, Any]) -> NodeSample:
    return read_line("node0", json.dumps(line), earliest=1.0, latest=2.0, wall=3.0)[0]


def test_a_line_becomes_a_sample_between_question_and_answer() -> None:
    sample, uptime = read_line("node0", json.dumps(LINE), earliest=1.0, latest=2.0, wall=3.0)
    assert (sample.node, sample.earliest, sample.latest, sample.wall, uptime) == ("node0", 1.0, 2.0, 3.0, 100.5)
    assert (sample.reachable, sample.holds_vip) == (True, True)
    assert sample.postgres is not None and sample.pgpool is not None
    assert sample.postgres.model_dump() == {
        "running": True,
        "in_recovery": True,
        "accepts_writes": False,
        "timeline": 3,
        "lsn": "0/5000100",
        "streaming_from": "node4",
    }
    assert [belief.model_dump() for belief in sample.pgpool.backends] == LINE["pgpool"]["backends"]
    assert sample.pgpool.noticed == 2


def test_a_server_that_did_not_answer_has_no_role_but_runs() -> None:
    sample = read({**LINE, "postgres": {"running": True, "frozen": True, "answered": False}})
    assert sample.postgres is not None
    assert (sample.postgres.running, sample.postgres.in_recovery, sample.postgres.is_primary) == (True, None, False)


def test_a_pgpool_that_did_not_answer_believes_nothing() -> None:
    sample = read({**LINE, "pgpool": {"running": True, "frozen": False, "backends": None, "noticed": 0}})
    assert sample.pgpool is not None
    assert (sample.pgpool.running, sample.pgpool.backends) == (True, ())


def test_a_full_sample_says_the_watchdog_s_role() -> None:
    (first, second) = (from_facts(name, facts, earliest=1.0, latest=2.0, wall=3.0) for name, facts in healthy().items())
    assert first.pgpool is not None and first.postgres is not None and second.postgres is not None
    assert (first.pgpool.watchdog_role, first.holds_vip, first.postgres.is_primary) == ("LEADER", True, True)
    assert (second.postgres.is_primary, second.postgres.streaming_from) == (False, "node0")
    assert {(belief.name, belief.role) for belief in first.pgpool.backends} == {
        ("node0", "primary"),
        ("node4", "standby"),
    }


def test_a_node_without_facts_is_not_reached_and_a_stopped_server_is_no_primary() -> None:
    assert not from_facts("node0", None, earliest=1.0, latest=2.0, wall=3.0).reachable
    stopped = changed(healthy(), "node0", "postgres", "running", to=False)["node0"]
    postgres = from_facts("node0", stopped, earliest=1.0, latest=2.0, wall=3.0).postgres
    assert postgres is not None
    assert (postgres.running, postgres.in_recovery, postgres.is_primary) == (False, None, False)


@pytest.mark.parametrize("line", ["", "{", '{"uptime": 1}'])
def test_other_text_is_an_error(line: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        read_line("node0", line, earliest=1.0, latest=2.0, wall=3.0)


def test_a_moment_on_the_node_is_narrowed_by_every_sample() -> None:
    uptime = Uptime()
    assert uptime.place(10.0) is None
    # The node started at 1000.0 by this machine's clock.
    uptime.learn(10.0, earliest=1009.0, latest=1010.2)
    uptime.learn(20.0, earliest=1019.9, latest=1025.0)
    assert uptime.place(15.0) == pytest.approx((1014.9, 1015.2))


def test_a_machine_that_was_paused_is_placed_anew() -> None:
    uptime = Uptime()
    uptime.learn(10.0, earliest=1009.9, latest=1010.1)
    uptime.learn(10.5, earliest=1040.4, latest=1040.6)
    assert uptime.place(11.0) == pytest.approx((1040.9, 1041.1))


Run = Callable[..., list[NodeSample]]


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Watch for a while a node whose agent is a shell script."""
    monkeypatch.setattr(node_watch, "SILENT_SECONDS", 0.2)
    monkeypatch.setattr(node_watch, "PATIENCE_SECONDS", 0.7)
    monkeypatch.setattr(node_watch, "PAUSE_SECONDS", 0.1)

    def run(script: str, seconds: float) -> list[NodeSample]:
        monkeypatch.setattr(node_watch, "ssh_command", lambda outputs, node, silent_seconds: ["bash", "-c", script])
        samples: list[NodeSample] = []
        watch = NodeWatch(OUTPUTS, OUTPUTS.nodes[0], 0.05, samples.append)
        watch.start()
        time.sleep(seconds)
        watch.stop()
        watch.join(5)
        assert not watch.is_alive()
        return samples

    yield run


ANSWER = f"echo '{json.dumps(LINE)}'"


def test_a_node_is_asked_again_and_again_over_one_connection(watched: Run, tmp_path: Path) -> None:
    samples = watched(f"echo >>{tmp_path}/connections; while read -r question; do {ANSWER}; done", 0.6)
    assert (tmp_path / "connections").read_text() == "\n"
    assert len(samples) > 3
    assert all(sample.reachable for sample in samples)
    assert all(one.latest <= other.earliest for one, other in pairwise(samples))


def test_a_silent_node_is_reported_while_it_is_silent_and_then_asked_anew(watched: Run) -> None:
    samples = watched("read -r question; sleep 30", 1.2)
    assert len(samples) >= 3
    assert not any(sample.reachable for sample in samples)
    assert all(other.earliest >= one.latest for one, other in pairwise(samples))


def test_a_late_answer_counts_from_its_question(watched: Run) -> None:
    samples = watched(f"read -r question; sleep 0.5; {ANSWER}; sleep 30", 0.8)
    late = next(sample for sample in samples if sample.reachable)
    assert late.latest - late.earliest > 0.4
    assert not samples[0].reachable


def test_silence_begins_where_the_last_answer_ended(watched: Run) -> None:
    samples = watched(f"read -r q; {ANSWER}; read -r q; {ANSWER}; sleep 30", 0.8)
    first = next(index for index, sample in enumerate(samples) if not sample.reachable)
    assert first == 2
    assert samples[2].earliest >= samples[1].latest


def test_a_lost_connection_is_opened_again(watched: Run) -> None:
    samples = watched(f"read -r question; {ANSWER}", 0.8)
    assert len([sample for sample in samples if sample.reachable]) > 1
    assert [sample for sample in samples if not sample.reachable]


STANDS_STILL = """\
echo >>{folder}/connections
if [ "$(wc -l <{folder}/connections)" = 1 ]; then
    read -r q; {answer}; read -r q; sleep 1.5; {answer}; while read -r q; do {answer}; done
fi
sleep 30
"""


def test_a_node_that_stood_still_answers_where_it_was_asked_before(watched: Run, tmp_path: Path) -> None:
    """It takes no login for seconds; who asks it anew only does not see what it does meanwhile."""
    samples = watched(STANDS_STILL.format(folder=tmp_path, answer=ANSWER), 2.5)
    assert len((tmp_path / "connections").read_text()) > 1, "others were tried beside"
    late = next(sample for sample in samples[1:] if sample.reachable)
    assert late.latest - late.earliest > 1.4
    assert all(sample.reachable for sample in samples[samples.index(late) :])
    assert len(samples) - samples.index(late) > 2


def test_a_node_that_was_restarted_answers_on_a_new_connection_only(watched: Run, tmp_path: Path) -> None:
    count = f"echo >>{tmp_path}/connections; [ $(wc -l <{tmp_path}/connections) -gt 1 ] || sleep 30"
    samples = watched(f"{count}; while read -r q; do {ANSWER}; done", 1.5)
    first = next(index for index, sample in enumerate(samples) if sample.reachable)
    assert first >= 2 and all(sample.reachable for sample in samples[first:])


def test_a_node_that_refuses_is_tried_again_after_a_pause(watched: Run, tmp_path: Path) -> None:
    samples = watched(f"echo >>{tmp_path}/connections; exit 255", 0.9)
    assert 2 <= len((tmp_path / "connections").read_text()) <= 15
    assert samples and not any(sample.reachable for sample in samples)


def test_an_answer_that_is_no_sample_is_an_error_for_whoever_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    script = ["bash", "-c", "read -r question; echo oops"]
    monkeypatch.setattr(node_watch, "ssh_command", lambda outputs, node, silent_seconds: script)
    observer = Observer(OUTPUTS)
    watch = NodeWatch(OUTPUTS, OUTPUTS.nodes[0], 0.05, lambda sample: None)
    observer._nodes = {"node0": watch}
    watch.start()
    watch.join(5)
    with pytest.raises(LabError, match=r"node0 is no longer watched: .*oops"):
        observer.check()


def test_a_bridge_that_goes_away_is_an_error_for_whoever_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(watch: VipWatch, arp: object) -> None:
        raise OSError(100, "Network is down")

    monkeypatch.setattr(vip_watch, "open_socket", lambda outputs: contextlib.nullcontext())
    monkeypatch.setattr(VipWatch, "_probe", gone)
    observer = Observer(OUTPUTS)
    observer._vip.start()
    observer._vip.join(5)
    with pytest.raises(LabError, match=r"no longer asked for: .*Network is down"):
        observer.check()


REQUEST = bytes.fromhex(
    "ffffffffffff 525400000001 0806  0001 0800 06 04 0001 525400000001 c0a81f01 000000000000 c0a81f8b"
)


def reply(mac: str, ip: str = "c0a81f8b", operation: str = "0002") -> bytes:
    return bytes.fromhex(f"525400000001 {mac} 0806 0001 0800 06 04 {operation} {mac} {ip} 525400000001 c0a81f01")


def test_a_request_is_the_frame_of_the_standard() -> None:
    mac = bytes.fromhex("525400000001")
    assert arp.request(mac=mac, ip="192.168.31.1", wanted="192.168.31.139") == REQUEST


def test_only_a_reply_for_the_address_names_who_has_it() -> None:
    assert arp.answerer(reply("525400310133"), "192.168.31.139") == "52:54:00:31:01:33"
    assert arp.answerer(reply("525400310133", ip="c0a81f85"), "192.168.31.139") is None
    assert arp.answerer(reply("525400310133", operation="0001"), "192.168.31.139") is None
    assert arp.answerer(REQUEST, "192.168.31.139") is None
    assert arp.answerer(b"short", "192.168.31.139") is None


class FakeSocket:
    """Has `stale` frames from the start, and `replies` once a question is sent."""

    def __init__(self, stale: list[bytes], replies: list[bytes]) -> None:
        self.stale, self.replies, self.sent = stale, replies, 0

    def settimeout(self, seconds: float) -> None:
        pass

    def getsockname(self) -> tuple[str, int, int, int, bytes]:
        return ("lab0", 0x0806, 0, 1, bytes.fromhex("525400000001"))

    def send(self, frame: bytes) -> None:
        self.sent += 1

    def recv(self, size: int) -> bytes:
        if self.stale:
            return self.stale.pop(0)
        if not self.sent:
            raise BlockingIOError
        if self.replies:
            return self.replies.pop(0)
        raise TimeoutError


@pytest.mark.parametrize(
    ("stale", "replies", "macs"),
    [
        ([], [], [None]),
        ([], [reply("525400310133")], ["52:54:00:31:01:33"]),
        ([], [reply("525400310133"), reply("525400310134")], ["52:54:00:31:01:33", "52:54:00:31:01:34"]),
        ([reply("525400310134")], [reply("525400310133")], ["52:54:00:31:01:33"]),
        ([], [reply("525400310134", operation="0001")], [None]),
    ],
)
def test_everybody_who_answers_is_seen_and_nobody_too(
    stale: list[bytes], replies: list[bytes], macs: list[str | None]
) -> None:
    samples: list[VipSample] = []
    watch = VipWatch(OUTPUTS, 0.1, samples.append)
    watch._probe(FakeSocket(stale, replies))  # type: ignore[arg-type]
    assert [sample.mac for sample in samples] == macs


class Late(FakeSocket):
    """A holder that takes the address a while after the first question: what was asked before is never answered."""

    def __init__(self, after: float) -> None:
        super().__init__([], [])
        self.there = time.monotonic() + after
        self.seconds = 0.0

    def settimeout(self, seconds: float) -> None:
        self.seconds = seconds

    def send(self, frame: bytes) -> None:
        super().send(frame)
        if time.monotonic() >= self.there:
            self.replies.append(reply("525400310133"))

    def recv(self, size: int) -> bytes:
        if not self.replies:
            time.sleep(self.seconds)
        return super().recv(size)


@pytest.mark.parametrize(("after", "seconds"), [(0.0, 0.0), (0.33, 0.4), (0.85, 0.9)])
def test_the_end_of_an_outage_is_seen_when_it_is_over(after: float, seconds: float) -> None:
    samples: list[VipSample] = []
    began = time.monotonic()
    VipWatch(OUTPUTS, 0.1, samples.append)._probe(Late(after))  # type: ignore[arg-type]
    (sample,) = samples
    assert sample.mac == "52:54:00:31:01:33"
    assert seconds - 0.08 < sample.latest - began < seconds + 0.5


def test_a_bridge_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object) -> None:
        raise OSError(19, "No such device")

    monkeypatch.setattr(socket, "socket", refused)
    watch = VipWatch(OUTPUTS, 0.1, lambda sample: None)
    watch.start()
    with pytest.raises(Exception, match="lab0: No such device"):
        watch.await_first()
    watch.join(5)
