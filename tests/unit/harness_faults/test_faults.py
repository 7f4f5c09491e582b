"""Each fault: what is done to the nodes, how its effect is told, and how it is taken back."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from pgpool_lab.cluster.outputs import MachineOutput
from pgpool_lab.errors import LabError
from pgpool_lab.harness.faults import FAULTS, NotInEffect, Target, fault_named, model
from pgpool_lab.harness.faults.clock import BEFORE, jump_between, jump_script, mend_script
from pgpool_lab.harness.faults.network import NOBODY, cut_script, got_through, link_is_down, sides
from pgpool_lab.harness.faults.services import VERSION_2, all_stopped, cgroup, on_version_2, runs_nothing
from pgpool_lab.harness.faults.storage import FULL_BYTES, SPARE_BYTES
from pgpool_lab.harness.faults.table import JUMP_SECONDS
from tests.unit.harness_faults.fakes import OUTPUTS, FakeControl

NODE0, NODE1, NODE2 = OUTPUTS.nodes
TARGET = Target(NODE0, (NODE1, NODE2))

ISSUED = {
    "pgpool-stop",
    "pgpool-kill",
    "pgpool-hang",
    "postgresql-stop-fast",
    "postgresql-stop-immediate",
    "postgresql-kill",
    "postgresql-hang",
    "machine-power-off",
    "machine-reboot",
    "machine-pause",
    "link-down",
    "partition",
    "disk-full",
    "clock-forward",
    "clock-back",
    "base-backup",
    "connections-kept",
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "EFFECT_SECONDS", 0.0)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def test_every_fault_is_in_the_table_under_its_name() -> None:
    assert set(FAULTS) == ISSUED
    assert all(fault.name == name and ";" in fault.sentence for name, fault in FAULTS.items())


def test_an_unknown_fault_is_refused_with_those_there_are() -> None:
    with pytest.raises(LabError, match="disk-full"):
        fault_named("disc-full")


SHOWS = {
    "pgpool-hang": "State:\tT (stopped)\n",
    "link-down": "vnet3 down",
    "machine-reboot": "",
    "clock-forward": f"1000.0 50.0\n{1001 + JUMP_SECONDS}.0 51.0\n",
    "clock-back": f"1000.0 50.0\n{1001 - JUMP_SECONDS}.0 51.0\n",
    "partition": "1 packets transmitted, 0 received, 100% packet loss",
}
"""What the node or libvirt says when a fault is in effect; the scripts of the others say `shows`."""


def struck(name: str) -> FakeControl:
    """A lab in which a fault took effect."""
    return FakeControl(lambda node, what: SHOWS.get(name, "shows\n"))


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("pgpool-stop", "systemctl --no-block stop lab-pgpool.service"),
        ("pgpool-kill", "echo 1 >/sys/fs/cgroup/system.slice/lab-pgpool.service/cgroup.kill"),
        ("postgresql-stop-fast", "kill -INT $(head -n 1 /data/postmaster.pid)"),
        ("postgresql-stop-immediate", "kill -QUIT $(head -n 1 /data/postmaster.pid)"),
        ("postgresql-kill", "echo 1 >/sys/fs/cgroup/system.slice/lab-postgresql.service/cgroup.kill"),
        ("postgresql-hang", "echo 1 >/sys/fs/cgroup/system.slice/lab-postgresql.service/cgroup.freeze"),
        ("machine-power-off", "destroy"),
        ("machine-reboot", "touch /run/pgpool-lab-reboot\nsystemctl --no-block reboot"),
        ("machine-pause", "suspend"),
        ("link-down", "domif-setlink 52:54:00:31:01:30 down"),
        ("connections-kept", "mount --bind /usr/bin/true /usr/bin/ss"),
    ],
)
def test_a_fault_does_this_to_its_node_only(name: str, script: str) -> None:
    control = struck(name)
    FAULTS[name].inject(control, TARGET)
    node, what = control.done[0]
    done = what.partition("\nfor ")[0].removeprefix(on_version_2(""))
    assert (node, done) == ("node0", script)
    assert {node for node, _ in control.done} == {"node0"}


@pytest.mark.parametrize("name", ["pgpool-stop", "pgpool-kill", "postgresql-stop-fast", "postgresql-hang"])
def test_what_is_measured_strikes_and_waits_in_one_login(name: str) -> None:
    control = struck(name)
    FAULTS[name].inject(control, TARGET)
    assert len(control.done) == 1


@pytest.mark.parametrize(
    ("name", "not_in_effect"),
    [
        ("pgpool-stop", ""),
        ("postgresql-kill", ""),
        ("pgpool-hang", "State:\tT (stopped)\nState:\tS (sleeping)\n"),
        ("postgresql-hang", ""),
        ("link-down", "vnet3 up"),
        ("machine-reboot", "there\n"),
        ("clock-forward", "1000.0 50.0\n1001.0 51.0\n"),
        ("partition", "1 received, 0% packet loss"),
        ("connections-kept", ""),
    ],
)
def test_a_fault_that_is_not_in_effect_is_an_error(name: str, not_in_effect: str) -> None:
    FAULTS[name].inject(struck(name), TARGET)
    with pytest.raises(NotInEffect):
        FAULTS[name].inject(FakeControl(lambda node, what: not_in_effect), TARGET)


@pytest.mark.parametrize(("name", "state"), [("machine-power-off", "shut off"), ("machine-pause", "paused")])
def test_a_machine_that_goes_on_is_an_error(name: str, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    FAULTS[name].inject(FakeControl(), TARGET)
    monkeypatch.setattr(FakeControl, "machine_state", lambda self, node: "running")
    with pytest.raises(NotInEffect, match=state):
        FAULTS[name].inject(FakeControl(), TARGET)


@pytest.mark.parametrize(("name", "verb"), [("machine-power-off", "start"), ("machine-pause", "resume")])
def test_a_machine_is_healed_once(name: str, verb: str) -> None:
    control = FakeControl()
    FAULTS[name].inject(control, TARGET)
    FAULTS[name].heal(control, TARGET)
    FAULTS[name].heal(control, TARGET)
    assert [what for _, what in control.done].count(verb) == 1


def test_healing_never_starts_postgresql() -> None:
    """A revived primary would be a second one."""
    control = FakeControl()
    for name, fault in FAULTS.items():
        if fault.losses is not None and fault.losses.postgresql is not None:
            fault.heal(control, TARGET)
            assert not [what for _, what in control.done if "start" in what and "postgresql" in what], name


def test_a_stopped_pgpool_is_started_by_healing() -> None:
    control = FakeControl()
    FAULTS["pgpool-stop"].heal(control, TARGET)
    assert control.done == [("node0", "systemctl start lab-pgpool.service")]


class OwnShell(FakeControl):
    """Scripts run on this machine."""

    def shell(self, node: MachineOutput, script: str, *, seconds: float = 0) -> str:
        command = ["bash", "-euo", "pipefail", "-c", script]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(("events", "gone"), [("populated 0\n", True), (None, True), ("populated 1\n", False)])
def test_a_service_is_gone_when_its_cgroup_has_no_process(events: str | None, gone: bool, tmp_path: Path) -> None:
    if events is not None:
        (tmp_path / "cgroup.events").write_text(events)
    shows = runs_nothing("x.service").replace(cgroup("x.service"), str(tmp_path))
    with nullcontext() if gone else pytest.raises(NotInEffect, match="not stopped"):
        FAULTS["pgpool-kill"].strike(OwnShell(), NODE0, "true", shows, "stopped")


@pytest.mark.parametrize("there", [True, False])
def test_a_service_is_not_struck_where_its_processes_cannot_be_found(there: bool, tmp_path: Path) -> None:
    control = struck("pgpool-kill")
    FAULTS["pgpool-kill"].inject(control, TARGET)
    refusal = control.done[0][1].splitlines()[0].replace(VERSION_2, str(tmp_path / "controllers"))
    if there:
        (tmp_path / "controllers").touch()
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", refusal], capture_output=True, text=True, check=False)
    assert (done.returncode == 0, "version 2" in done.stderr) == (there, not there)


def test_a_strike_is_waited_for_on_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "EFFECT_SECONDS", 5.0)
    script = f"echo struck\n(sleep 0.7; touch {tmp_path}/effect) >/dev/null &"
    moment = FAULTS["pgpool-kill"].strike(OwnShell(), NODE0, script, f"[ -e {tmp_path}/effect ]", "there")
    assert moment.said.split() == ["struck", "shows"]


@pytest.mark.parametrize("states", ["", "State:\tS (sleeping)\n", "State:\tT (stopped)\nState:\tR (running)\n"])
def test_pgpool_hangs_only_when_every_process_is_stopped(states: str) -> None:
    assert not all_stopped(states)


def test_pgpool_is_healed_only_when_no_process_is_left_stopped() -> None:
    FAULTS["pgpool-hang"].heal(FakeControl(lambda node, what: "State:\tS (sleeping)\n"), TARGET)
    FAULTS["pgpool-hang"].heal(FakeControl(), TARGET)
    with pytest.raises(LabError, match="still stopped"):
        FAULTS["pgpool-hang"].heal(
            FakeControl(lambda node, what: "State:\tS (sleeping)\nState:\tT (stopped)\n"), TARGET
        )


def test_a_node_that_takes_no_logins_is_rebooting() -> None:
    def gone(node: str, what: str) -> str:
        control.unreachable.add(node)
        return ""

    control = FakeControl(gone)
    FAULTS["machine-reboot"].inject(control, TARGET)
    assert len(control.done) == 1


def test_a_reboot_is_over_when_the_machine_that_was_told_to_is_another_one() -> None:
    answers = iter(["there\n", None, "there\n", ""])

    def answer(node: str, what: str) -> str:
        if (said := next(answers)) is None:
            raise LabError("no login", "wait")
        return said

    FAULTS["machine-reboot"].heal(FakeControl(answer), TARGET)
    assert next(answers, None) is None


def test_a_partition_has_two_sides_for_every_peer() -> None:
    assert sides(TARGET) == [(NODE0, (NODE1, NODE2)), (NODE1, (NODE0,)), (NODE2, (NODE0,))]
    control = struck("partition")
    FAULTS["partition"].inject(control, TARGET)
    cuts = [(node, line) for node, script in control.done for line in script.splitlines() if "neigh" in line]
    cut = {(node, line.split()[3]) for node, line in cuts}
    assert cut == {
        ("node0", NODE1.ip),
        ("node0", NODE2.ip),
        ("node1", NODE0.ip),
        ("node2", NODE0.ip),
    }


def test_a_partition_sends_what_is_for_the_peer_to_nobody() -> None:
    assert cut_script(NODE0, (NODE1,)) == f"ip neigh replace {NODE1.ip} lladdr {NOBODY} dev enp1s0 nud permanent"


def test_a_partition_is_mended_on_the_sides_that_are_reached_and_the_other_is_told() -> None:
    control = FakeControl()
    control.unreachable = {"node1"}
    with pytest.raises(LabError, match="node1"):
        FAULTS["partition"].heal(control, TARGET)
    assert [node for node, _ in control.done] == ["node0", "node2"]


def test_link_state_and_ping_are_read_as_the_tools_write_them() -> None:
    assert link_is_down("vnet12 down")
    assert not link_is_down("vnet12 up")
    assert not link_is_down("")
    assert got_through("1 packets transmitted, 1 received, 0% packet loss, time 0ms")
    assert not got_through("1 packets transmitted, 0 received, 100% packet loss, time 0ms")
    assert not got_through("1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms")


def test_the_clock_goes_back_to_what_it_would_be_without_the_jump(tmp_path: Path) -> None:
    """The scripts themselves, with a `date` that only notes what it was told to set."""
    note, before = tmp_path / "set", tmp_path / "before"
    stub = tmp_path / "date"
    stub.write_text(f'#!/bin/sh\n[ "$1" = -s ] && echo "$2" >>{note} || echo 5000.25\n')
    stub.chmod(0o755)

    def sh(script: str) -> None:
        text = script.replace(BEFORE, str(before)).replace("/proc/uptime", str(tmp_path / "uptime"))
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        subprocess.run(["bash", "-euo", "pipefail", "-c", text], check=True, env=environment)

    (tmp_path / "uptime").write_text("100.00 1.00\n")
    sh(jump_script(60))
    sh(jump_script(60))
    assert before.read_text() == "5000.25 100.00\n"
    (tmp_path / "uptime").write_text("130.50 1.00\n")
    sh(mend_script())
    sh(mend_script())
    assert note.read_text().splitlines() == ["+60 seconds", "+60 seconds", "@5030.750"]


def test_a_jump_is_what_the_uptime_does_not_explain() -> None:
    assert jump_between("1000.0 50.0", "1070.5 60.5") == pytest.approx(60.0)
    assert jump_between("1000.0 50.0", "950.5 60.5") == pytest.approx(-60.0)


class FullDisk(FakeControl):
    """A lab whose primary is node1. The first node is refused room when the primary has ended so many segments;
    it was once before."""

    def __init__(self, *, ready: int = 2, filled: bool = True, primary: str = "node1") -> None:
        super().__init__(self.answer)
        self.ended, self.ready, self.filled, self.primary = 0, ready, filled, primary

    def answer(self, node: str, what: str) -> str:
        if "fallocate" in what:
            return "shows\n" if self.filled else ""
        if "pg_switch_wal" in what:
            self.ended += node == self.primary
            return "750 0/3000168\n" if node == self.primary else "\n"
        assert (node, "grep -c" in what) == ("node0", True)
        return "2\n" if self.ended >= self.ready else "1\n"


def test_a_full_volume_is_in_effect_when_the_server_was_refused_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "EFFECT_SECONDS", 60.0)
    control = FullDisk(ready=4)
    FAULTS["disk-full"].inject(control, TARGET)
    assert control.ended == 4
    # The first one that says where its segment ended is the primary, and the others are not asked.
    assert [node for node, what in control.done if "pg_switch_wal" in what] == ["node0", "node1"] * 4


@pytest.mark.parametrize(
    ("control", "error"),
    [
        (FullDisk(filled=False), "not full"),
        (FullDisk(ready=1000), "not refused room"),
        (FullDisk(primary="nobody"), "not refused room"),
    ],
)
def test_a_volume_that_is_not_full_or_not_felt_is_an_error(control: FullDisk, error: str) -> None:
    with pytest.raises(NotInEffect, match=error):
        FAULTS["disk-full"].inject(control, TARGET)


@pytest.mark.parametrize(("left", "full"), [(FULL_BYTES - 1, True), (FULL_BYTES, False)])
def test_a_volume_is_filled_with_what_is_left_but_for_the_file_s_own_map(left: int, full: bool, tmp_path: Path) -> None:
    control = FullDisk(ready=1)
    FAULTS["disk-full"].inject(control, TARGET)
    [script] = [what for _, what in control.done if "fallocate" in what]
    stubs = {
        "df": f"[ -e {tmp_path}/said ] && echo {left} || printf ' Avail\\n1234567\\n'",
        "findmnt": f"echo {tmp_path}",
        "fallocate": f'echo "$@" >{tmp_path}/said',
    }
    for name, body in stubs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    command = ["bash", "-euo", "pipefail", "-c", script]
    said = subprocess.run(command, check=True, env=environment, capture_output=True, text=True).stdout
    assert (tmp_path / "said").read_text() == f"-l {1234567 - SPARE_BYTES} {tmp_path}/lab-balloon\n"
    assert said == ("shows\n" if full else "")


@pytest.mark.parametrize("runs", [True, False])
def test_a_base_backup_is_taken_of_whom_the_node_streams_from_and_is_under_way(runs: bool) -> None:
    facts = json.dumps({"postgres": {"streaming_from": "node1"}})
    answers = {"facts": facts, "systemctl is-active": "shows\n" if runs else ""}
    control = FakeControl(lambda node, what: next((said for words, said in answers.items() if words in what), ""))
    with nullcontext() if runs else pytest.raises(NotInEffect):
        FAULTS["base-backup"].inject(control, TARGET)
    assert any(f"pg_basebackup -w -h {OUTPUTS.node('node1').ip} " in what for _, what in control.done)


def test_a_base_backup_is_refused_on_a_node_that_streams_from_nobody() -> None:
    control = FakeControl(lambda node, what: json.dumps({"postgres": {"streaming_from": None}}))
    with pytest.raises(LabError, match="streams from nobody"):
        FAULTS["base-backup"].inject(control, TARGET)


DROPPED = f"ss -K state connected dst {NODE1.ip} dport = 5432\n"


@pytest.mark.parametrize(
    ("mounted", "done"),
    [(True, f"umount /usr/bin/ss\n{DROPPED}"), (False, DROPPED)],
)
def test_kept_connections_are_dropped_by_healing_where_the_peer_does_not_answer(
    mounted: bool, done: str, tmp_path: Path
) -> None:
    control = FakeControl()
    FAULTS["connections-kept"].heal(control, TARGET)
    (tmp_path / "said").touch()
    stubs = {
        "findmnt": f"exit {0 if mounted else 1}",
        "umount": f'echo "umount $@" >>{tmp_path}/said',
        "timeout": f'case "$*" in *{NODE2.ip}/5432*) exit 0;; *) exit 124;; esac',
        "ss": f'echo "ss $@" >>{tmp_path}/said',
    }
    for name, body in stubs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    script = control.done[0][1].replace("/usr/bin/ss -K", "ss -K")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], check=True, env=environment)
    assert (tmp_path / "said").read_text() == done
