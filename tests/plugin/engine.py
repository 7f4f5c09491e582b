"""Runs the engine on the test program and tells what it did."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROJECT = "plugin-test"


def lines(file: Path) -> list[str]:
    """The lines of a file, none where it isn't there."""
    return file.read_text().splitlines() if file.exists() else []


@dataclass
class Resource:
    """One resource of the test program; `options` are Pulumi's resource options."""

    name: str
    kind: str
    arguments: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a run of the engine did: `steps` are (operation, resource name), without `same`, and without the stack
    and the provider."""

    ok: bool
    text: str
    steps: list[tuple[str, str]]


@dataclass(frozen=True)
class Stack:
    """A stack of its own for one test."""

    name: str
    program: Path
    folder: Path
    environment: dict[str, str]

    @property
    def log(self) -> Path:
        """Where the commands of the tests write what they do."""
        return self.folder / "log"

    def logged(self) -> list[str]:
        return lines(self.log)

    def create(self) -> None:
        subprocess.run(
            ["pulumi", "stack", "init", "--non-interactive", self.name],
            cwd=self.program,
            env=self.environment,
            check=True,
            capture_output=True,
        )

    def up(self, *resources: Resource) -> Outcome:
        """An update that goes on with other resources when one fails, so that a test can watch several fail."""
        return self.run("up", *resources, options=("--yes", "--skip-preview", "--continue-on-error"))

    def preview(self, *resources: Resource) -> Outcome:
        return self.run("preview", *resources)

    def run(self, command: str, *resources: Resource, options: tuple[str, ...] = ()) -> Outcome:
        process = self.start(command, *resources, options=options)
        text, _ = process.communicate(timeout=120)
        return self._outcome(process.returncode, text)

    def start(self, command: str, *resources: Resource, options: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """Start a command of the CLI in a session of its own."""
        described = self.folder / "resources.json"
        described.write_text(json.dumps([vars(resource) for resource in resources]))
        self._events.unlink(missing_ok=True)
        common = ("--non-interactive", "--color=never", "--stack", self.name, "--event-log", str(self._events))
        return subprocess.Popen(
            ["pulumi", command, *common, *options],
            cwd=self.program,
            # The variable makes the CLI know `--event-log`.
            env={**self.environment, "RESOURCES": str(described), "PULUMI_DEBUG_COMMANDS": "true"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def interrupt(self, process: subprocess.Popen[str]) -> Outcome:
        """What Ctrl-C does: an interrupt for the CLI."""
        os.kill(process.pid, signal.SIGINT)
        text, _ = process.communicate(timeout=30)
        return self._outcome(process.returncode, text)

    def outputs(self) -> dict[str, str]:
        answer = subprocess.run(
            ["pulumi", "stack", "output", "--json", "--show-secrets", "--stack", self.name],
            cwd=self.program,
            env=self.environment,
            check=True,
            capture_output=True,
        )
        found: dict[str, str] = json.loads(answer.stdout)
        return found

    def state(self) -> str:
        """The state as it lies in the backend."""
        backend = Path(self.environment["PULUMI_BACKEND_URL"].removeprefix("file://"))
        return (backend / ".pulumi" / "stacks" / PROJECT / f"{self.name}.json").read_text()

    def resource(self, name: str) -> dict[str, Any] | None:
        """A resource in the state, or None."""
        resources = json.loads(self.state())["checkpoint"]["latest"].get("resources") or []
        return next((each for each in resources if each["urn"].endswith(f"::{name}")), None)

    @property
    def _events(self) -> Path:
        return self.folder / "events.json"

    def _outcome(self, code: int, text: str) -> Outcome:
        steps = []
        for line in self._events.read_text().splitlines() if self._events.exists() else []:
            step = json.loads(line).get("resourcePreEvent", {}).get("metadata")
            if step and step["op"] != "same" and not step["type"].startswith("pulumi:"):
                steps.append((step["op"], step["urn"].rsplit("::", 1)[1]))
        return Outcome(code == 0, text, steps)
