"""The Pulumi engine for one lab: its environment, its stack, and what its state records."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pgpool_lab.cluster.outputs import LabOutputs, from_json
from pgpool_lab.errors import LabError
from pgpool_lab.paths import LabPaths

LIBVIRT_RESOURCES = "libvirt:index/"


@dataclass(frozen=True)
class Engine:
    """Runs `pulumi` for one stack. `prefix` goes before the command (the way into the lab's network)."""

    lab: LabPaths
    environment: Mapping[str, str]
    prefix: tuple[str, ...] = ()

    @property
    def config_file(self) -> Path:
        """The stack's settings as the engine reads them: the committed ones, and the salt that the engine adds."""
        return self.lab.root / f"Pulumi.{self.lab.stack}.yaml"

    def variables(self) -> dict[str, str]:
        """Environment of the engine and of everything that `lab run` runs."""
        return {**os.environ, **self.environment, "PULUMI_OPTION_CONFIG_FILE": str(self.config_file)}

    def run(self, arguments: Sequence[str]) -> int:
        """Run `pulumi` in the foreground. Ctrl-C reaches it as it reaches this process: it ends in good order."""
        process = subprocess.Popen(
            [*self.prefix, "pulumi", *arguments], env=self.variables(), cwd=self.lab.project, stdin=subprocess.DEVNULL
        )
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                # The terminal has told the engine as well; it needs time to end what it has under way.
                continue

    def ask(self, arguments: Sequence[str]) -> str:
        """What `pulumi` prints. Raises LabError with what it said when it fails."""
        done = subprocess.run(
            [*self.prefix, "pulumi", *arguments],
            env=self.variables(),
            cwd=self.lab.project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise LabError(f"pulumi {' '.join(arguments)} failed: {done.stderr.strip()}")
        return done.stdout

    def select(self) -> None:
        """Make the stack when it is not there, bring its settings up to date, and free it from a killed update."""
        self.lab.backend.mkdir(parents=True, exist_ok=True)
        make_passphrase(self.lab.passphrase)
        if not self.exists():
            self.initialise()
        salt = yaml.safe_load(self.config_file.read_text())["encryptionsalt"]
        self.config_file.write_text(f"encryptionsalt: {salt}\n" + self.lab.stack_file.read_text())
        self.release()

    def exists(self) -> bool:
        """Whether this lab has a state and the salt that its secrets were encrypted with."""
        if not self.config_file.is_file() or "encryptionsalt" not in self.config_file.read_text():
            return False
        return any(self.lab.backend.glob(f".pulumi/stacks/*/{self.lab.stack}.json"))

    def initialise(self) -> None:
        """Make the stack in a project folder of its own: the engine writes the salt beside the settings it finds."""
        with tempfile.TemporaryDirectory() as folder:
            project = Path(folder)
            for name in ("Pulumi.yaml", "stacks"):
                source = self.lab.project / name
                shutil.copytree(source, project / name) if source.is_dir() else shutil.copy(source, project / name)
            variables = {**os.environ, **self.environment}
            command = ["pulumi", "stack", "init", self.lab.stack, "--cwd", folder]
            done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise LabError(f"cannot make the stack {self.lab.stack}: {done.stderr.strip()}")
            shutil.copy(project / "stacks" / f"Pulumi.{self.lab.stack}.yaml", self.config_file)

    def release(self) -> None:
        """Drop the locks of updates whose process is gone."""
        for lock in self.lab.backend.glob(".pulumi/locks/**/*.json"):
            owner = json.loads(lock.read_text() or "{}").get("pid")
            if not owner or not Path(f"/proc/{owner}").exists():
                lock.unlink()

    def recorded(self) -> set[str]:
        """Ids of the libvirt objects that the state records."""
        state: dict[str, Any] = json.loads(self.ask(["stack", "export", "--stack", self.lab.stack]))
        resources = (state.get("deployment") or {}).get("resources") or []
        return {
            resource["id"]
            for resource in resources
            if resource.get("id") and str(resource.get("type", "")).startswith(LIBVIRT_RESOURCES)
        }

    def outputs(self) -> LabOutputs:
        """The stack's outputs, secrets shown. Raises LabError where the lab was never brought up."""
        if not self.exists():
            raise LabError(f"the lab {self.lab.stack} does not exist", f"./lab up {self.lab.stack}")
        text = self.ask(["stack", "output", "--stack", self.lab.stack, "--json", "--show-secrets"])
        return from_json(text, f"the stack {self.lab.stack}")


def make_passphrase(path: Path) -> None:
    """A random passphrase that only its owner may read. Raises LabError where an existing one cannot be used."""
    if path.exists():
        if not path.read_text().strip():
            raise LabError(
                f"{path} is empty: it holds the passphrase of the lab's secrets", "restore it, or ./lab down"
            )
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(secrets.token_urlsafe(24))


def interrupted(code: int) -> bool:
    """Whether an exit code says that the engine was interrupted."""
    return code in (-signal.SIGINT, 128 + signal.SIGINT)


def wrong_passphrase(text: str) -> bool:
    """Whether the engine's message says that the passphrase does not fit the salt."""
    return re.search(r"incorrect passphrase", text) is not None
