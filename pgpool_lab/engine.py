"""The Pulumi engine on one lab: its environment, its stack, and what its state records."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgpool_lab.cluster.outputs import LabOutputs, from_json
from pgpool_lab.errors import LabError
from pgpool_lab.paths import LabPaths
from pgpool_lab.progress import foreground
from pgpool_lab.toolchain import Toolchain, ensure_stack, environment

PROJECT_NAME = "pgpool-lab"
LIBVIRT_RESOURCES = "libvirt:index/"
LIBVIRT_PROVIDER = "pulumi:providers:libvirt"
LIBVIRT_NETWORK = "libvirt:index/network:Network"
LAST_STEP = "serve"
"""Name of the program's step after which a lab is one that clients use: it stays recorded when a later update fails."""

SAID_LINES = 60
"""Of what the engine printed before it failed: its diagnostics come last."""


@dataclass(frozen=True)
class Engine:
    """Runs `pulumi` for one stack. `prefix` goes before the command: the way into the lab's network."""

    lab: LabPaths
    variables: Mapping[str, str]
    prefix: tuple[str, ...]

    def run(self, arguments: Sequence[str]) -> int:
        """Run `pulumi` in the foreground and give its exit code."""
        return foreground([*self.prefix, "pulumi", *arguments], environment=self.variables, cwd=self.lab.project)

    def ask(self, arguments: Sequence[str]) -> str:
        """What `pulumi` prints. Raises LabError with what it said when it fails."""
        done = subprocess.run(
            [*self.prefix, "pulumi", *arguments],
            env=dict(self.variables),
            cwd=self.lab.project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            if "incorrect passphrase" in done.stderr:
                raise LabError(
                    f"the passphrase in {self.lab.passphrase} does not open the lab's secrets",
                    "restore that file, or remove the lab with ./lab down",
                )
            # An update tells what went wrong among its progress, on the standard output.
            said = "\n".join(f"{done.stdout}\n{done.stderr}".strip().splitlines()[-SAID_LINES:])
            raise LabError(f"pulumi {' '.join(arguments)} failed:\n{said}", "./lab status; ./lab doctor")
        return done.stdout

    def plan(self, options: Sequence[str]) -> list[dict[str, Any]]:
        """The steps that an update with these options would take; each has an `op` and the resource's `urn`."""
        text = self.ask(["preview", "--stack", self.lab.stack, "--non-interactive", "--json", *options])
        steps: list[dict[str, Any]] = json.loads(text)["steps"]
        return steps

    def recorded(self) -> set[str]:
        """Ids of the libvirt objects that the state records. Raises LabError where the passphrase does not fit it."""
        # Without the option the engine would find that out only in the update, in which it speaks for itself.
        state: dict[str, Any] = json.loads(self.ask(["stack", "export", "--stack", self.lab.stack, "--show-secrets"]))
        resources = (state.get("deployment") or {}).get("resources") or []
        return {
            resource["id"]
            for resource in resources
            if resource.get("id") and str(resource.get("type", "")).startswith(LIBVIRT_RESOURCES)
        }

    def whole(self) -> bool:
        """Whether the lab was ever brought up whole. Outputs don't tell: a first update that fails late has some."""
        return any(str(each.get("urn", "")).endswith(f"::{LAST_STEP}") for each in kept_resources(self.lab))

    def outputs(self) -> LabOutputs:
        """The stack's outputs, secrets shown. Raises LabError where the lab was never brought up whole."""
        text = self.ask(["stack", "output", "--stack", self.lab.stack, "--json", "--show-secrets"])
        if not json.loads(text):
            raise LabError(
                f"the lab {self.lab.stack} was never brought up whole", f"./lab up {self.lab.stack} goes on with it"
            )
        return from_json(text, f"the stack {self.lab.stack}")


def has_state(lab: LabPaths) -> bool:
    """Whether the engine keeps a state of this lab; root's folder is not another user's to look into."""
    if lab.root.is_dir() and not os.access(lab.root, os.R_OK | os.X_OK):
        return True
    return any(lab.backend.glob(f".pulumi/stacks/*/{lab.stack}.json"))


def has_resources(lab: LabPaths) -> bool:
    """Whether that state records anything: a preview and a destroyed lab leave an empty one."""
    # Of one that cannot be read the engine will say what is wrong with it.
    return not readable(lab) or bool(kept_resources(lab))


def readable(lab: LabPaths) -> bool:
    """Whether that state can be read without the engine, if there is one: an empty file is none."""
    try:
        kept_resources(lab)
    except (ValueError, KeyError):
        return False
    return True


def recorded_libvirts(lab: LabPaths) -> set[str]:
    """URIs of the libvirts in which that state records anything, readable without the engine; empty for none."""
    return recorded_inputs(lab, LIBVIRT_PROVIDER, "uri")


def recorded_networks(lab: LabPaths) -> set[str]:
    """Names of the libvirt networks which that state records; a lab's has the lab's name."""
    return recorded_inputs(lab, LIBVIRT_NETWORK, "name")


def recorded_inputs(lab: LabPaths, kind: str, name: str) -> set[str]:
    """What the resources of a kind were given under a name, in that state; empty where it cannot be read."""
    resources = kept_resources(lab) if readable(lab) else []
    found = [each.get("inputs") or {} for each in resources if each.get("type") == kind]
    return {str(inputs[name]) for inputs in found if inputs.get(name)}


def kept_resources(lab: LabPaths) -> list[dict[str, Any]]:
    """The resources in the file that the backend keeps. Raises ValueError or KeyError for one that is no state."""
    found: list[dict[str, Any]] = []
    for file in lab.backend.glob(f".pulumi/stacks/*/{lab.stack}.json"):
        latest = json.loads(file.read_text())["checkpoint"].get("latest") or {}
        found += latest.get("resources") or []
    return found


def open_engine(lab: LabPaths, toolchain: Toolchain, *, prefix: Sequence[str], extra: Mapping[str, str]) -> Engine:
    """The engine for a lab, with its stack made when it is not there. `extra` are further environment variables."""
    lab.backend.mkdir(parents=True, exist_ok=True)
    lab.root.chmod(0o700)
    make_passphrase(lab.passphrase)
    config_file = lab.root / lab.stack_file.name
    variables = environment(
        toolchain,
        pulumi_home=lab.root / "pulumi",
        venv_bin=lab.project / ".venv" / "bin",
        backend_url=f"file://{lab.backend}",
        passphrase_file=lab.passphrase,
        config_file=config_file,
    )
    release(lab)
    ensure_stack(
        lab.stack, project=PROJECT_NAME, settings=lab.stack_file, config_file=config_file, environment=variables
    )
    return Engine(lab, {**variables, **extra}, tuple(prefix))


def release(lab: LabPaths) -> None:
    """Drop the backend's locks whose process is gone: a killed update leaves its own behind."""
    for lock, owner in locks(lab):
        if not owner or not runs_pulumi(owner):
            # An update that ends meanwhile removes its own.
            lock.unlink(missing_ok=True)


def refuse_a_second(lab: LabPaths) -> None:
    """Raises LabError while another engine changes the lab: what it is just making is not recorded yet.

    That is one which a user runs; the commands of `lab` refuse each other before (`pgpool_lab.occupation`).
    """
    if found := [owner for _, owner in locks(lab) if owner and runs_pulumi(owner)]:
        raise LabError(
            f"pulumi is changing the lab {lab.stack} (process {found[0]})",
            "wait until it has ended, or end it with Ctrl-C where it runs; then repeat",
        )


def locks(lab: LabPaths) -> Iterator[tuple[Path, int | None]]:
    """The backend's locks, each with the process that wrote it; None where it had not got so far."""
    for lock in lab.backend.glob(".pulumi/locks/**/*.json"):
        with contextlib.suppress(FileNotFoundError):
            yield lock, json.loads(lock.read_text() or "{}").get("pid")


def refuse_another_state(lab: LabPaths, backend: str | None) -> None:
    """Raises LabError for an engine whose state is at `backend` while `lab` keeps one, if only of a preview.

    Both have the key, the known hosts and the seeds in the same place, which `lab down` removes.
    """
    if has_state(lab) and backend != f"file://{lab.backend}":
        raise LabError(
            f"./lab keeps a state of the lab {lab.stack}",
            f"./lab run --stack {lab.stack} -- pulumi … works on it; or remove it: ./lab down {lab.stack}",
        )


def runs_pulumi(process: int) -> bool:
    """Whether a process is there and is the engine: after the host's boot the number may be another one's."""
    try:
        return Path(f"/proc/{process}/comm").read_text().strip() == "pulumi"
    except OSError:
        return False


def make_passphrase(path: Path) -> None:
    """A random passphrase that only its owner may read. Raises LabError where an existing one cannot be used."""
    if path.exists():
        if not path.read_text().strip():
            raise LabError(f"{path} is empty: it held the passphrase of the lab's secrets", "restore it, or ./lab down")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(secrets.token_urlsafe(24))
