"""A lab that remembers what was done to it instead of doing it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pgpool_lab.cluster.outputs import LabOutputs, MachineOutput
from pgpool_lab.errors import LabError
from pgpool_lab.harness.control import Control, Moment
from tests.unit import lab_outputs

OUTPUTS = LabOutputs.model_validate(
    {**lab_outputs.values(), "nodes": [lab_outputs.node(f"node{i}", i, 130 + i) for i in range(3)]}
)


class FakeControl(Control):
    """Scripts and virsh commands go to `done`, as (node, what); `says` answers them."""

    def __init__(self, says: Callable[[str, str], str] = lambda node, what: "") -> None:
        super().__init__(OUTPUTS)
        self.done: list[tuple[str, str]] = []
        self.says = says
        self.states = {node.name: "running" for node in OUTPUTS.nodes}
        self.unreachable: set[str] = set()

    def shell(self, node: MachineOutput, script: str, *, seconds: float = 0) -> str:
        if node.name in self.unreachable:
            raise LabError(f"{node.name} did not answer")
        self.done.append((node.name, script))
        return self.says(node.name, script)

    def act(self, node: MachineOutput, script: str) -> Moment:
        return Moment(1.0, 2.0, uptime=100.0, said=self.shell(node, script))

    def agent(self, node: MachineOutput, *words: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.shell(node, " ".join(words)))
        return document

    def machine(self, node: MachineOutput, *arguments: str) -> Moment:
        self.done.append((node.name, " ".join(arguments)))
        changed = {"destroy": "shut off", "start": "running", "suspend": "paused", "resume": "running"}
        self.states[node.name] = changed.get(arguments[0], self.states[node.name])
        return Moment(1.0, 2.0)

    def machine_state(self, node: MachineOutput) -> str:
        return self.states[node.name]

    def virsh(self, *arguments: str) -> str:
        return self.says("", " ".join(arguments))

    def answers(self, node: MachineOutput) -> bool:
        return node.name not in self.unreachable
