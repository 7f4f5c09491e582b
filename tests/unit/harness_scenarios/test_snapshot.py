"""A snapshot is of all machines at one moment, and so is the way back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pgpool_lab.cluster.outputs import LabOutputs, MachineOutput
from pgpool_lab.errors import LabError
from pgpool_lab.harness import bridge, restoration, snapshot
from pgpool_lab.harness.control import Control, Moment
from pgpool_lab.harness.faults import Entry, Record
from pgpool_lab.waiting import factor
from tests.unit import lab_outputs
from tests.unit.facts import Answers, a_witness, changed, healthy
from tests.unit.harness_faults.fakes import OUTPUTS, FakeControl

ALL = [node.name for node in OUTPUTS.nodes]


class Machines(FakeControl):
    """Machines with snapshots."""

    def __init__(self) -> None:
        super().__init__(lambda node, what: "1000.0 5.0\n")
        self.kept: dict[str, list[str]] = {node.domain: [] for node in OUTPUTS.nodes}
        self.described: dict[str, str] = {}
        self.refuses: set[tuple[str, str]] = set()

    def virsh(self, *arguments: str) -> str:
        if arguments[0] == "snapshot-dumpxml":
            return f"<domainsnapshot>{self.described[arguments[1]]}</domainsnapshot>"
        assert arguments[0] == "snapshot-list"
        return "\n".join(self.kept[arguments[1]])

    def machine(self, node: MachineOutput, *arguments: str) -> Moment:
        if (node.name, arguments[0]) in self.refuses:
            raise LabError(f"{node.name}: {arguments[0]} refused")
        if arguments[0] == "snapshot-create-as":
            self.kept[node.domain].append(arguments[1])
            described = arguments[3].removeprefix("--description=")
            self.described[node.domain] = f"<description>{described}</description>"
        if arguments[0] == "snapshot-revert":
            self.states[node.name] = "paused"
        return super().machine(node, *arguments)

    def order(self, *verbs: str) -> list[str]:
        """The verbs in order, one for each time that all machines had it."""
        words = [what.split()[0] for _, what in self.done if what.split()[0] in verbs]
        assert [words[index] for index in range(0, len(words), 3)] == [
            words[index + 2] for index in range(0, len(words), 3)
        ]
        return words[::3]


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> Machines:
    monkeypatch.setattr(snapshot, "wait_until_healthy", lambda control: None)
    monkeypatch.setattr(snapshot, "forget_holder", lambda outputs: None)
    monkeypatch.setattr(snapshot, "wait_until_forwarding", lambda network: None)
    return Machines()


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path / "faults" / "injected.json")


def test_all_stand_still_before_the_first_is_captured_and_until_the_last_is(machines: Machines, record: Record) -> None:
    snapshot.take(machines, record)
    assert machines.order("suspend", "snapshot-create-as", "resume") == ["suspend", "snapshot-create-as", "resume"]
    assert snapshot.exists(machines)


def test_the_earlier_snapshot_stays_where_a_machine_takes_no_logins(machines: Machines, record: Record) -> None:
    snapshot.take(machines, record)

    def refuses(node: str, what: str) -> str:
        raise LabError(f"{node} takes no logins")

    machines.says = refuses
    with pytest.raises(LabError, match="no logins"):
        snapshot.take(machines, record)
    assert snapshot.exists(machines)


def test_an_earlier_snapshot_of_the_name_is_replaced(machines: Machines, record: Record) -> None:
    snapshot.take(machines, record)
    machines.done.clear()
    snapshot.take(machines, record)
    assert machines.order("snapshot-delete", "snapshot-create-as") == ["snapshot-delete", "snapshot-create-as"]


def test_machines_go_on_when_one_could_not_be_captured(machines: Machines, record: Record) -> None:
    machines.refuses = {("node1", "snapshot-create-as")}
    with pytest.raises(LabError, match="node1"):
        snapshot.take(machines, record)
    assert set(machines.states.values()) == {"running"}
    assert not snapshot.exists(machines)


def test_nothing_is_captured_while_a_machine_is_off(machines: Machines, record: Record) -> None:
    machines.states["node2"] = "shut off"
    with pytest.raises(LabError, match="node2 is shut off"):
        snapshot.take(machines, record)
    assert machines.done == []


def test_nothing_is_captured_while_a_fault_is_in_force(machines: Machines, record: Record) -> None:
    """The way back forgets what is recorded: nobody would heal it then."""
    record.add(Entry(fault="disk-full", node="node1", peers=()))
    with pytest.raises(LabError, match="disk-full on node1"):
        snapshot.take(machines, record)
    assert machines.done == []


def test_all_are_reverted_and_paused_before_the_first_goes_on(machines: Machines, record: Record) -> None:
    snapshot.take(machines, record)
    machines.done.clear()
    snapshot.rewind(machines, record)
    verbs = ("suspend", "snapshot-revert", "domif-setlink", "resume")
    assert machines.order(*verbs) == list(verbs)
    assert all("--paused" in what for _, what in machines.done if what.startswith("snapshot-revert"))


def test_nobody_goes_on_before_the_bridge_lets_frames_through(
    machines: Machines, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[set[str]] = []
    monkeypatch.setattr(snapshot, "wait_until_forwarding", lambda network: waited.append(set(machines.states.values())))
    snapshot.take(machines, record)
    snapshot.rewind(machines, record)
    assert waited == [{"paused"}]
    assert set(machines.states.values()) == {"running"}


def port(name: str, state: str) -> dict[str, object]:
    """A port of a bridge as `ip -json -details link show master` has it."""
    return {"ifname": name, "linkinfo": {"info_slave_kind": "bridge", "info_slave_data": {"state": state}}}


def test_a_port_that_listens_or_learns_drops_frames() -> None:
    ports = [{}, port("vnet1", "listening"), port("vnet2", "learning"), port("vnet3", "forwarding"), {}]
    assert bridge.not_forwarding(json.dumps(ports)) == ["vnet1", "vnet2"]
    # Without a carrier, or switched off: nothing that time would mend.
    assert bridge.not_forwarding(json.dumps([port("vnet1", "disabled"), port("vnet2", "blocking")])) == []


def test_ports_that_never_forward_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "FORWARDING_SECONDS", 0)
    monkeypatch.setattr(bridge, "ports", lambda network: json.dumps([port("vnet1", "learning")]))
    with pytest.raises(LabError, match="vnet1"):
        bridge.wait_until_forwarding(OUTPUTS.network)


def test_a_rewind_takes_the_faults_with_it(machines: Machines, record: Record) -> None:
    snapshot.take(machines, record)
    record.add(Entry(fault="disk-full", node="node0", peers=()))
    snapshot.rewind(machines, record)
    assert record.entries() == []


def test_all_stay_paused_when_one_could_not_be_reverted(machines: Machines, record: Record) -> None:
    snapshot.take(machines, record)
    machines.done.clear()
    machines.refuses = {("node1", "snapshot-revert")}
    with pytest.raises(snapshot.TornApart, match="node1"):
        snapshot.rewind(machines, record)
    assert set(machines.states.values()) == {"paused"}


def test_without_a_snapshot_of_all_nothing_is_touched(machines: Machines, record: Record) -> None:
    machines.kept[OUTPUTS.nodes[0].domain] = ["healthy"]
    with pytest.raises(LabError, match="no snapshot"):
        snapshot.rewind(machines, record)
    assert machines.done == []


def clocks(**ahead: float) -> Callable[[str, str], str]:
    return lambda node, what: f"{1000 + ahead.get(node, 0.0)} 5.0\n"


def test_clocks_that_went_back_differently_are_an_error(machines: Machines, record: Record) -> None:
    snapshot.take(machines, record)
    machines.says = clocks(node1=60)
    with pytest.raises(LabError, match="did not go back by the same time"):
        snapshot.rewind(machines, record)


def test_clocks_that_were_apart_may_be_so_again(machines: Machines, record: Record) -> None:
    machines.says = clocks(node1=60)
    snapshot.take(machines, record)
    behind = snapshot.rewind(machines, record).behind
    assert behind["node0"] - behind["node1"] == pytest.approx(60, abs=1)
    machines.says = clocks()
    with pytest.raises(LabError, match="did not go back by the same time"):
        snapshot.rewind(machines, record)


def test_a_snapshot_without_a_description_was_taken_with_equal_clocks(machines: Machines, record: Record) -> None:
    snapshot.take(machines, record)
    machines.described = dict.fromkeys(machines.described, "")
    snapshot.rewind(machines, record)


class Agents(FakeControl):
    """Notes what agents are told."""

    def agent(self, node: MachineOutput, *words: str) -> dict[str, object]:
        self.done.append((node.name, " ".join(words)))
        return {}


@pytest.fixture
def agents(monkeypatch: pytest.MonkeyPatch) -> Agents:
    monkeypatch.setattr(restoration, "wait_until_healthy", lambda control: None)
    monkeypatch.setattr(restoration, "status", lambda outputs, stack: {"healthy": False})
    return Agents()


def restored(agents: Agents, monkeypatch: pytest.MonkeyPatch, answers: object) -> list[tuple[str, str]]:
    monkeypatch.setattr(restoration, "members_facts", lambda outputs: (answers, {}))
    restoration.restore(agents)
    return agents.done


NAMES = ("node0", "node1", "node2")


def test_a_healthy_lab_is_left_alone(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    assert restored(agents, monkeypatch, healthy(NAMES)) == []


def test_machines_are_started_or_resumed_first(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    agents.states |= {"node0": "shut off", "node2": "paused"}
    assert restored(agents, monkeypatch, healthy(NAMES)) == [("node0", "start"), ("node2", "resume")]


def test_who_does_not_follow_the_primary_is_rejoined(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = changed(healthy(NAMES, primary="node1"), "node0", "postgres", "streaming_from", to=None)
    assert restored(agents, monkeypatch, answers) == [("node0", "rejoin node0"), ("node1", "start")]


def test_nothing_is_started_that_a_rejoin_has_brought_back(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = changed(healthy(NAMES, primary="node1"), "node0", "postgres", "streaming_from", to=None)
    monkeypatch.setattr(restoration, "members_facts", lambda outputs: (answers, {}))
    monkeypatch.setattr(restoration, "status", lambda outputs, stack: {"healthy": True})
    assert restoration.restore(agents) == ["node0: rejoin"]
    assert agents.done == [("node0", "rejoin node0")]


@pytest.mark.parametrize(("by_itself", "told"), [(True, ["node0"]), (False, ["node0", "node2"])])
def test_who_has_followed_by_itself_meanwhile_is_not_rejoined(
    by_itself: bool, told: list[str], agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(*astray: str) -> Answers:
        given = healthy(NAMES, primary="node1")
        for name in astray:
            changed(given, name, "postgres", "streaming_from", to=None)
        return given

    monkeypatch.setattr(restoration, "members_facts", lambda outputs: (answers("node0", "node2"), {}))
    monkeypatch.setattr(restoration, "status", lambda outputs, stack: {"healthy": True})
    monkeypatch.setattr(restoration, "all_facts", lambda outputs: answers() if by_itself else answers("node2"))
    assert restoration.restore(agents) == [f"{name}: rejoin" for name in told]


def test_of_two_primaries_the_one_on_the_earlier_timeline_gives_way(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = healthy(NAMES, primary="node1")
    changed(answers, "node1", "postgres", "timeline", to=3)
    changed(answers, "node0", "postgres", "in_recovery", to=False)
    changed(answers, "node0", "postgres", "streaming_from", to=None)
    changed(answers, "node0", "postgres", "lsn", to="0/9000000")
    assert restored(agents, monkeypatch, answers) == [
        ("node0", "local stop"),
        ("node0", "rejoin node0"),
        ("node1", "start"),
    ]


def test_without_a_primary_the_rules_of_join_decide(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = healthy(NAMES)
    for name in NAMES:
        changed(answers, name, "postgres", "running", to=False)
        changed(answers, name, "postgres", "in_recovery", to=None)
    assert restored(agents, monkeypatch, answers) == [("node0", "start")]


def with_witness(control: FakeControl) -> None:
    """Give the lab a witness."""
    control.outputs = LabOutputs.model_validate(OUTPUTS.model_dump(mode="json") | {"witness": lab_outputs.witness()})
    control.states["witness"] = "running"


def test_a_snapshot_is_of_the_witness_as_well(machines: Machines, record: Record) -> None:
    with_witness(machines)
    machines.kept["lab-witness"] = []
    snapshot.take(machines, record)
    assert machines.kept["lab-witness"] == ["healthy"]
    machines.done.clear()
    snapshot.rewind(machines, record)
    done = [what for node, what in machines.done if node == "witness"]
    assert done[:4] == [
        "suspend",
        "snapshot-revert healthy --paused",
        "domif-setlink 52:54:00:31:01:00 up",
        "resume",
    ]
    machines.kept["lab-witness"] = []
    assert not snapshot.exists(machines)


def test_a_witness_that_is_off_is_started_and_its_pgpool_with_the_others(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_witness(agents)
    agents.states["witness"] = "shut off"
    dead = changed(a_witness(NAMES), "witness", "pgpool", to={"running": False, "watchdog_role": None, "backends": []})
    monkeypatch.setattr(restoration, "members_facts", lambda outputs: (healthy(NAMES), dead))
    assert restoration.restore(agents) == ["witness: start", "node0: start"]
    assert agents.done == [("witness", "start"), ("node0", "start")]


@pytest.mark.parametrize(("text", "value"), [("1", 1.0), ("2.5", 2.5)])
def test_the_factor_scales_every_bound(text: str, value: float) -> None:
    assert factor(text) == value


@pytest.mark.parametrize("text", ["", "fast", "0", "-1", "1000"])
def test_a_factor_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(LabError, match="LAB_WAIT_FACTOR"):
        factor(text)


def test_virsh_is_asked_on_the_lab_s_own_libvirt() -> None:
    from pgpool_lab.harness.control import virsh_command

    assert virsh_command(OUTPUTS, ["domstate", "x"]) == ["virsh", "-q", "-c", "qemu:///system", "domstate", "x"]
    assert Control(OUTPUTS).outputs is OUTPUTS
