"""Updates that replace machines, through the real engine: refused at once, done one after the other."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pgpool_lab import event_log, rolling
from pgpool_lab.paths import PROJECT
from tests.plugin.engine import Outcome, Stack

WITHOUT_PREVIEW = ("--skip-preview",)


@dataclass(frozen=True)
class Machines:
    """A stack of two nodes, the memory of each in their order."""

    stack: Stack

    def up(
        self, image: str, memory: Sequence[int], options: Sequence[str] = (), version: str = "15"
    ) -> tuple[Outcome, list[str]]:
        """`pulumi up` with a preview; what came of it, and which things it removed and made."""
        self.stack.log.unlink(missing_ok=True)
        given = {
            "log": str(self.stack.log),
            "image": image,
            "nodes": dict(zip(("node0", "node4"), memory, strict=True)),
            "kept": {"postgresql.version": version},
        }
        Path(self.stack.environment["MACHINES"]).write_text(json.dumps(given))
        return self.stack.run("up", options=("--yes", *options)), self.stack.logged()

    def lose(self, *names: str) -> None:
        """What a refresh does to the state when these are gone: neither they nor a mention of them stays."""
        exported = json.loads(self._pulumi("stack", "export"))
        deployment = exported["deployment"]
        lost = {each["urn"] for each in deployment["resources"] if each["urn"].rpartition("::")[2] in names}
        assert len(lost) == len(names)
        deployment["resources"] = [without(each, lost) for each in deployment["resources"] if each["urn"] not in lost]
        self._pulumi("stack", "import", given=json.dumps(exported))

    def _pulumi(self, *words: str, given: str | None = None) -> str:
        return subprocess.run(
            ["pulumi", *words, "--stack", self.stack.name],
            cwd=self.stack.program,
            env=self.stack.environment,
            check=True,
            capture_output=True,
            text=True,
            input=given,
        ).stdout


def without(resource: dict[str, Any], lost: set[str]) -> dict[str, Any]:
    """A resource of the state that depends on none of the lost ones any more."""
    dependencies = [urn for urn in resource.get("dependencies", []) if urn not in lost]
    properties = {
        name: [urn for urn in urns or [] if urn not in lost]
        for name, urns in resource.get("propertyDependencies", {}).items()
    }
    return resource | {"dependencies": dependencies, "propertyDependencies": properties}


@pytest.fixture
def machines(engine_environment: dict[str, str], tmp_path: Path) -> Machines:
    program = shutil.copytree(Path(__file__).parent / "machines", tmp_path / "program")
    given = {"MACHINES": str(tmp_path / "machines.json"), "PYTHONPATH": str(PROJECT)}
    stack = Stack("machines", program, tmp_path, engine_environment | given)
    # A backend of its own: the program has another folder than that of the other tests.
    (tmp_path / "backend").mkdir()
    stack = replace(stack, environment=stack.environment | {"PULUMI_BACKEND_URL": f"file://{tmp_path / 'backend'}"})
    stack.create()
    return Machines(stack)


def test_two_machines_are_not_replaced_at_once(machines: Machines) -> None:
    first, made = machines.up("a", (1, 1))
    assert first.ok, "the first creation is no replacement"
    assert {"make node0", "make node4"} <= set(made)

    refused, done = machines.up("a", (2, 2))
    assert not refused.ok
    assert "node0 and node4 at once" in refused.text
    assert "./lab up two-node replaces one after the other" in refused.text
    assert "Traceback" not in refused.text
    assert done == []
    assert rolling.refused(event_log.read(machines.stack.folder / "events.json"))

    one, done = machines.up("a", (2, 1))
    assert one.ok, one.text
    assert done == ["remove node0", "make node0", "join"]

    changed, done = machines.up("a", (2, 1), version="16")
    assert not changed.ok
    assert "postgresql.version: 15 cannot become 16" in changed.text
    assert done == []
    assert not rolling.refused(event_log.read(machines.stack.folder / "events.json"))


def test_lost_machines_come_back_at_once(machines: Machines) -> None:
    machines.up("a", (1, 1), WITHOUT_PREVIEW)
    machines.lose("node0", "node4")
    back, done = machines.up("a", (1, 1))
    assert back.ok, back.text
    assert sorted(done) == ["join", "make node0", "make node4"]
    # With another definition meanwhile: they count as replaced, but are down already.
    machines.lose("node0", "node4")
    both = (*rolling.node_options("node0", "node4"), *WITHOUT_PREVIEW)
    back, done = machines.up("a", (2, 2), both)
    assert back.ok, back.text
    assert sorted(done) == ["join", "make node0", "make node4"]


def test_machines_are_replaced_one_after_the_other(machines: Machines) -> None:
    machines.up("a", (1, 1), WITHOUT_PREVIEW)
    assert machines.up("b", (1, 1), rolling.image_options())[1] == ["make image-b"]
    for node in ("node4", "node0"):
        outcome, done = machines.up("b", (1, 1), rolling.node_options(node))
        assert outcome.ok, outcome.text
        assert done == [f"remove {node}", f"remove {node}-root", f"make {node}-root", f"make {node}", "join"]
    outcome, done = machines.up("b", (1, 1))
    assert outcome.ok, outcome.text
    assert done == ["remove image-a"], "when no disk is based on it any more"
