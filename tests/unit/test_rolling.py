"""Machines are replaced one after the other: in which order, and when not at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from pgpool_lab import event_log, rolling
from pgpool_lab import lab as module
from pgpool_lab.engine import Engine
from pgpool_lab.errors import LabError
from pgpool_lab.lab import Lab
from pgpool_lab.paths import LabPaths
from pgpool_lab.settings import LabSettings
from pgpool_lab.settings.model import ImageSettings
from tests.unit.test_templates import lab as settings_of

NODES = ("node0", "node1", "node2")


def report(primary: str | None = "node0", down: Sequence[str] = (), problems: Sequence[str] = ()) -> dict[str, Any]:
    """A status document of three nodes."""
    return {
        "healthy": not (down or problems),
        "problems": [*problems, *[f"{name} cannot be reached" for name in down]],
        "nodes": [
            {
                "name": name,
                "reachable": name not in down,
                "postgres": None if name in down else {"role": "primary" if name == primary else "standby"},
            }
            for name in NODES
        ],
    }


def diagnostic(severity: str, message: str) -> str:
    return json.dumps({"diagnosticEvent": {"severity": severity, "message": message}})


LOGS: dict[str, tuple[list[str], bool]] = {
    "nothing": ([], False),
    "another error": ([diagnostic("error", "no way to the libvirt")], False),
    "the check's error": (
        [json.dumps({"preludeEvent": {}}), diagnostic("error", f'before hook "{rolling.HOOK}" failed: …')],
        True,
    ),
    "it was only spoken of": ([diagnostic("info", f"calling hook {rolling.HOOK}")], False),
}


@pytest.mark.parametrize(("lines", "expected"), LOGS.values(), ids=LOGS.keys())
def test_the_check_s_refusal_is_told_from_other_failures(lines: list[str], expected: bool, tmp_path: Path) -> None:
    log = tmp_path / "events.json"
    assert not rolling.refused(event_log.read(log))
    log.write_text("".join(f"{line}\n" for line in lines))
    assert rolling.refused(event_log.read(log)) == expected


ORDERS: dict[str, tuple[dict[str, Any], tuple[list[str], list[str]]]] = {
    "the primary goes last": (report("node0"), ([], ["node1", "node2", "node0"])),
    "wherever it is": (report("node1"), ([], ["node0", "node2", "node1"])),
    "who is down goes first": (report("node0", ["node2"]), (["node2"], ["node1", "node0"])),
    "all are down": (report(None, NODES), ([*NODES], [])),
}


@pytest.mark.parametrize(("given", "expected"), ORDERS.values(), ids=ORDERS.keys())
def test_order(given: dict[str, Any], expected: tuple[list[str], list[str]]) -> None:
    assert rolling.order(given) == expected


COMPILED: dict[str, tuple[dict[str, Any], tuple[list[str], list[str]]]] = {
    "it goes first as the primary": (report("node0"), ([], ["node0", "node1", "node2"])),
    "and as a standby": (report("node1"), ([], ["node0", "node2", "node1"])),
    "it is down": (report("node1", ["node0"]), (["node0"], ["node2", "node1"])),
    "another one is down": (report("node0", ["node1"]), (["node1"], ["node0", "node2"])),
}


@pytest.mark.parametrize(("given", "expected"), COMPILED.values(), ids=COMPILED.keys())
def test_order_where_one_node_compiles_for_the_others(
    given: dict[str, Any], expected: tuple[list[str], list[str]]
) -> None:
    assert rolling.order(given, "node0") == expected


@pytest.mark.parametrize(("reachable", "down"), [(True, []), (False, ["witness"])])
def test_a_witness_that_is_down_goes_first_and_else_with_the_last_update(reachable: bool, down: list[str]) -> None:
    given = report() | {"witness": {"name": "witness", "reachable": reachable}}
    assert rolling.order(given) == (down, ["node1", "node2", "node0"])


def test_a_node_s_options_name_its_own_machine_and_who_has_to_know_its_keys() -> None:
    options = rolling.node_options("node1")
    assert options[-1] == "--target-dependents"
    assert [word for word in options if word.startswith("**")] == [
        *[f"**::node1{part}" for part in ("", "-cloud-init-file", "-cloud-init", "-root", "-machine")],
        "**::ssh-mesh-trust-*",
    ]


@pytest.mark.parametrize("options", [rolling.image_options(), rolling.node_options("node1")])
def test_a_targeted_update_takes_one_step_at_a_time(options: list[str]) -> None:
    """Otherwise the engine now and then writes what it leaves alone before the old image, and reads that no more."""
    assert options[:2] == ["--parallel", "1"]


def step(op: str, node: str, kind: str = "libvirt:index/domain:Domain") -> dict[str, str]:
    """One of an engine's plan; the component of a node has the same name as its machine."""
    return {"op": op, "urn": f"urn:pulumi:two-node::pgpool-lab::pgpool-lab:index:Node${kind}::{node}"}


PLANS: dict[str, tuple[list[dict[str, str]], bool]] = {
    "nothing is done": ([], False),
    "it stays": (
        [
            step("same", "node1", "pgpool-lab:index:Node"),
            step("update", "node1"),
            step("replace", "node1-ready", "command:remote:Command"),
        ],
        False,
    ),
    "it is replaced": ([step("same", "node0"), step("create-replacement", "node1")], True),
    "it is deleted before": ([step("delete-replaced", "node1")], True),
    "another one is": ([step("replace", "node11"), step("replace", "node0")], False),
}


@pytest.mark.parametrize(("plan", "expected"), PLANS.values(), ids=PLANS.keys())
def test_a_plan_tells_whether_a_machine_is_replaced(plan: list[dict[str, str]], expected: bool) -> None:
    assert rolling.replaces(plan, "node1") == expected


class Steps(Lab):
    """A lab that notes its steps: `pulumi up` with its options, and what the nodes are told."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reports: Sequence[dict[str, Any]]) -> None:
        super().__init__(LabPaths("two-node", tmp_path))
        self.paths.root.mkdir(parents=True)
        steps: list[str] = []
        remaining = list(reports)
        object.__setattr__(self, "steps", steps)
        monkeypatch.setattr(
            module, "status", lambda outputs, stack: remaining.pop(0) if remaining[1:] else remaining[0]
        )

    steps: list[str]
    changed: Sequence[str] = NODES
    """Nodes whose machines an update replaces."""
    fails = ""

    def _update(self, engine: Engine, options: Sequence[str] = ()) -> int:
        targets = [word.rpartition("::")[2] for word in options if word.startswith("**")]
        own = [word for word in targets if word in NODES or word.startswith("image")]
        self.steps.append(" ".join(["up", *own, *[word for word in options if word == "--skip-preview"]]))
        return int(self.steps[-1] == self.fails)

    def agent(self, outputs: Any, node: Any, *words: str) -> str:
        self.steps.append(f"{node} {' '.join(words)}")
        return ""

    def roll(self, settings: LabSettings) -> None:
        node = type("Node", (), {})
        nodes = [node() for _ in NODES]
        for each, name in zip(nodes, NODES, strict=True):
            each.name = name
        outputs = type("Outputs", (), {"nodes": nodes, "node": staticmethod(lambda name: name)})()
        fake = {"outputs": lambda engine: outputs, "plan": lambda engine, options: self.planned(options)}
        self._replace_machines(cast("Engine", type("Fake", (), fake)()), settings)

    def planned(self, options: Sequence[str]) -> list[dict[str, str]]:
        """What the engine would do with these options."""
        return [step("replace" if name in self.changed else "same", name) for name in NODES if f"**::{name}" in options]


HALF_MADE: dict[str, tuple[dict[str, Any], list[str]]] = {
    "it has not joined": (report(problems=["node1 does not follow"]), ["node1"]),
    "it serves": (report(), []),
    "it has become primary": (report("node1", problems=["node2 does not follow"]), []),
    "it is down, as is another": (report(down=["node1", "node2"]), []),
}


@pytest.mark.parametrize(("given", "expected"), HALF_MADE.values(), ids=HALF_MADE.keys())
def test_a_machine_whose_replacement_was_broken_off_goes_first_where_it_is_in_the_way(
    given: dict[str, Any], expected: list[str]
) -> None:
    down, _ = rolling.order(given)
    assert rolling.half_made(given, ["node1"], down) == expected


def test_one_that_was_broken_off_is_ended_before_the_lab_must_be_healthy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ill = report(down=["node2"], problems=["node1 does not follow"])
    lab = Steps(tmp_path, monkeypatch, [ill, report(), report(), report("node2")])
    lab.replacing.write_text("node1")
    lab.roll(THREE)
    # Without a preview, which would refuse two.
    assert lab.steps == [
        "up image-*",
        "up node2 node1 --skip-preview",
        "up node1",
        "node0 local stop",
        "up node0",
        "up",
    ]


def test_who_is_being_replaced_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Steps(tmp_path, monkeypatch, [report()])
    lab.fails = "up node2"
    with pytest.raises(LabError):
        lab.roll(THREE)
    assert lab.replacing.read_text() == "node2"


THREE = settings_of(size=3)
PRIMARY_LAST = ["up image-*", "up node1", "up node2", "node0 local stop", "up node0", "up"]


def test_the_lab_is_healthy_before_each_and_the_primary_steps_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seen: for the order, before each of the three, and the new primary.
    lab = Steps(tmp_path, monkeypatch, [report(), report(), report(), report(), report("node2")])
    lab.roll(THREE)
    assert lab.steps == PRIMARY_LAST
    assert not lab.replacing.exists()


def test_the_node_that_compiles_goes_first_and_the_next_primary_steps_down_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seen: for the order, before the first, the new primary, before the two others, and again a new primary.
    first, second = [report()] * 2, [report("node2")] * 3
    lab = Steps(tmp_path, monkeypatch, [*first, *second, report()])
    lab.roll(THREE.model_copy(update={"image": ImageSettings(source="path:README.md")}))
    assert lab.steps == [
        "up image-*",
        "node0 local stop",
        *["up node0", "up node1", "node2 local stop", "up node2", "up"],
    ]


def test_nothing_more_is_replaced_when_the_lab_is_not_healthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Steps(tmp_path, monkeypatch, [report(), report(), report(problems=["node1 does not stream"])])
    with pytest.raises(LabError, match="node1 does not stream"):
        lab.roll(THREE)
    assert lab.steps == PRIMARY_LAST[:2]
    assert lab.replacing.exists(), "a repetition goes on with it"


def test_nothing_more_is_replaced_after_a_failed_update(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Steps(tmp_path, monkeypatch, [report()])
    object.__setattr__(lab, "fails", "up node1")
    with pytest.raises(LabError, match="pulumi up failed"):
        lab.roll(THREE)
    assert lab.steps == PRIMARY_LAST[:2]


def test_machines_that_are_down_come_back_first_and_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Steps(tmp_path, monkeypatch, [report(None, NODES)])
    lab.roll(THREE)
    assert lab.steps == ["up image-*", "up node0 node1 node2 --skip-preview", "up"]


def test_a_changed_list_of_nodes_is_refused_before_anything_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Steps(tmp_path, monkeypatch, [report()])
    with pytest.raises(LabError, match=r"list of nodes.*\n.*lab down two-node"):
        lab.roll(settings_of(size=4))
    assert lab.steps == []


def test_a_primary_whose_machine_stays_does_not_step_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two have more memory, or all were replaced before the last update was broken off."""
    lab = Steps(tmp_path, monkeypatch, [report()])
    object.__setattr__(lab, "changed", ("node1", "node2"))
    lab.roll(THREE)
    assert lab.steps == [step for step in PRIMARY_LAST if step != "node0 local stop"]


def test_a_primary_is_noted_before_it_steps_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken off then, it is stopped: the lab is not healthy until its machine is replaced."""
    lab = Steps(tmp_path, monkeypatch, [report()])

    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Lab, "_step_down", stop)
    with pytest.raises(KeyboardInterrupt):
        lab.roll(THREE)
    assert lab.replacing.read_text() == "node0"
