"""A stand-in for the engine that records what the program asks of it, resource options included.

It hands secrets on as the engine does: a property that is named in `additional_secret_outputs`, or that was given as a
secret, comes back as one.
"""

from __future__ import annotations

import asyncio
import json
import runpy
import signal
from collections.abc import Iterator, Mapping
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

import pulumi
from google.protobuf import json_format, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime import rpc
from pulumi.runtime.config import set_all_config
from pulumi.runtime.mocks import MockMonitor, MockResourceArgs, Mocks, MockSettings
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.settings import SETTINGS, configure
from pulumi.runtime.stack import run_in_stack

from pgpool_lab.identity import ACCOUNTS
from pgpool_lab.paths import PROJECT

SIGNATURE = rpc._special_sig_key
SECRET = rpc._special_secret_sig

PASSWORDS = {account: f"password-of-{account}" for account in ACCOUNTS}
PRIVATE_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----"
"""What no private key goes without."""


@dataclass(frozen=True)
class Registration:
    """One resource as the program registered it."""

    urn: str
    type: str
    name: str
    custom: bool
    inputs: dict[str, Any]
    """As they went over the wire: a secret is marked by pulumi's signature."""
    parent: str
    dependencies: frozenset[str]
    """Of the options and of the inputs, as URNs."""
    deleted_with: str
    replace_with: tuple[str, ...]
    replace_on_changes: tuple[str, ...]
    delete_before_replace: bool
    ignored_changes: tuple[str, ...]
    secret_outputs: tuple[str, ...]
    before_update: tuple[str, ...]
    """Names of the hooks that run before an update."""

    def plain(self, name: str) -> Any:
        """An input with its secrets uncovered."""
        return uncovered(self.inputs[name])

    def is_secret(self, name: str) -> bool:
        return is_secret(self.inputs[name])


@dataclass
class Recording:
    """Everything that one run of the program registered."""

    resources: list[Registration] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    hooks: dict[str, pulumi.ResourceHook] = field(default_factory=dict)

    def named(self, name: str, type_: str | None = None) -> Registration:
        """The one custom resource of that name (and type)."""
        found = [item for item in self.custom() if item.name == name and type_ in (None, item.type)]
        assert len(found) == 1, f"{name}: {[item.type for item in found]}"
        return found[0]

    def custom(self) -> list[Registration]:
        return [item for item in self.resources if item.custom]

    def of_type(self, type_: str) -> list[Registration]:
        return [item for item in self.resources if item.type == type_]

    def before(self, resource: Registration) -> set[str]:
        """Names of the custom resources that must exist before this one does."""
        by_urn = {item.urn: item for item in self.resources}
        seen: set[str] = set()
        waiting = list(resource.dependencies)
        while waiting:
            urn = waiting.pop()
            if urn not in seen:
                seen.add(urn)
                waiting += by_urn[urn].dependencies
        return {by_urn[urn].name for urn in seen if by_urn[urn].custom}


def is_secret(value: Any) -> bool:
    return isinstance(value, dict) and value.get(SIGNATURE) == SECRET


def uncovered(value: Any) -> Any:
    """A value from the wire without the marks of secrets."""
    if is_secret(value):
        return uncovered(value["value"])
    if isinstance(value, dict):
        return {key: uncovered(item) for key, item in value.items()}
    if isinstance(value, list):
        return [uncovered(item) for item in value]
    return value


def plain_texts(value: Any) -> Iterator[str]:
    """Every text in a value from the wire that lies outside its secrets."""
    if is_secret(value):
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from plain_texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from plain_texts(item)


class RecordedHooks:
    """Takes the place of the server through which the engine would call the program's hooks."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording

    def register_resource_hook(self, hook: pulumi.ResourceHook) -> None:
        self.recording.hooks[hook.name] = hook


class LabMocks(Mocks):
    """What the lab's commands print, and an id for everything."""

    def call(self, args: Any) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"the program calls no functions of providers, but {args.token}")

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        state = dict(args.inputs)
        if args.typ.startswith("command:"):
            state["stdout"] = standard_output(args.name)
        return f"id-of-{args.name}", state


def standard_output(name: str) -> str:
    """What the lab's command of that name would print."""
    if name == "identity-passwords":
        return json.dumps(PASSWORDS)
    if name.startswith(("identity-host-key-", "identity-operator")):
        return json.dumps({"private": f"{PRIVATE_KEY}\n{name}\n", "public": f"ssh-ed25519 public-{name}"})
    if name.startswith("ssh-mesh-keys-"):
        return json.dumps({account: f"ssh-ed25519 {account}-{name}" for account in ("root", "postgres")})
    if name in ("image-build", "image-take"):
        return "Building\n/cache/images/debian12.qcow2\n"
    if name.endswith("-ready"):
        return "enp1s0\n"
    return "{}"


class RecordingMonitor(MockMonitor):
    """pulumi's mock monitor, which keeps the requests it gets."""

    def __init__(self, recording: Recording, *, preview: bool) -> None:
        super().__init__(LabMocks())
        self.recording = recording
        self.preview = preview

    def RegisterResource(self, request: Any) -> Any:
        urn = self.make_urn(request.parent, request.type, request.name)
        inputs = json_format.MessageToDict(request.object)
        if request.type == "pulumi:pulumi:Stack":
            return super().RegisterResource(request)  # type: ignore[no-untyped-call]
        self.recording.resources.append(
            Registration(
                urn=urn,
                type=request.type,
                name=request.name,
                custom=request.custom,
                inputs=inputs,
                parent=request.parent,
                dependencies=frozenset(request.dependencies).union(
                    *[entry.urns for entry in request.propertyDependencies.values()]
                ),
                deleted_with=request.deletedWith,
                replace_with=tuple(request.replace_with),
                replace_on_changes=tuple(request.replaceOnChanges),
                delete_before_replace=request.deleteBeforeReplace,
                ignored_changes=tuple(request.ignoreChanges),
                secret_outputs=tuple(request.additionalSecretOutputs),
                before_update=tuple(request.hooks.before_update),
            )
        )
        arguments = MockResourceArgs(
            request.type, request.name, uncovered(inputs), request.provider, None, request.custom
        )
        # Before it exists, a resource has its inputs and no id.
        id_, state = (None, arguments.inputs) if self.preview else self.mocks.new_resource(arguments)
        covered = {*request.additionalSecretOutputs, *(key for key, value in inputs.items() if is_secret(value))}
        wire = struct_pb2.Struct()
        json_format.ParseDict(
            {key: {SIGNATURE: SECRET, "value": value} if key in covered else value for key, value in state.items()},
            wire,
        )
        return resource_pb2.RegisterResourceResponse(urn=urn, id=id_ or "", object=wire)

    def RegisterResourceOutputs(self, request: Any) -> Any:
        if "pulumi:pulumi:Stack::" in request.urn:
            self.recording.outputs = json_format.MessageToDict(request.outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]


def run_program(config: Mapping[str, Any], *, preview: bool = False, recording: Recording | None = None) -> Recording:
    """Run the whole program with a stack's configuration; what it registered.

    Raises what the program raises: `recording` then has what it registered before.
    """
    recording = recording or Recording()
    # The root stack and the configuration are context variables.
    copy_context().run(_run, recording, config, preview)
    return recording


def _run(recording: Recording, config: Mapping[str, Any], preview: bool) -> None:
    monitor = RecordingMonitor(recording, preview=preview)
    values = {"project": "pgpool-lab", "stack": "two-node", "organization": None}
    configure(MockSettings(monitor=monitor, dry_run=preview, **values))  # type: ignore[no-untyped-call]
    SETTINGS.callbacks = RecordedHooks(recording)
    set_all_config(
        {f"pgpool-lab:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    )
    heard = signal.getsignal(signal.SIGINT)
    try:
        asyncio.run(run_in_stack(_program))
    finally:
        # The program has its own way to end, which is not this process's.
        signal.signal(signal.SIGINT, heard)


def _program() -> None:
    runpy.run_path(str(PROJECT / "__main__.py"), run_name="__main__")
