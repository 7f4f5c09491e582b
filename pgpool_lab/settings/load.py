"""From a stack's configuration to settings, with errors that name the key."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pgpool_lab.errors import LabError
from pgpool_lab.settings.model import LabSettings

TARBALL = "LAB_PGPOOL_TARBALL"
"""Variable with the path of pgpool's source tarball, which wins over the stack's `pgpool.source` and its checksum."""

NAMESPACE = "pgpool-lab"
"""The Pulumi project's name, which prefixes its configuration keys."""

OTHERS = ("pulumi", "libvirt", "command")
"""Namespaces of the engine's and its plugins' own keys."""


def from_mapping(values: Mapping[str, Any], origin: str) -> LabSettings:
    """Check configuration values; `origin` is the file (or command) that a user would edit."""
    try:
        return LabSettings.model_validate(dict(values))
    except ValidationError as error:
        problems = "\n".join(f"  {describe(problem)}" for problem in error.errors())
        raise LabError(f"{origin} is not a valid lab:\n{problems}", f"correct it in {origin}") from None


KINDS = {
    "tuple_type": "must be a list",
    "dict_type": "must be a section of its own, with keys",
    "model_type": "must be a section of its own, with keys",
}
"""pydantic's types of errors whose own words speak of Python."""


def describe(problem: Any) -> str:
    """One validation problem as `key: what is wrong`."""
    key = ""
    for part in problem["loc"]:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else str(part)
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = "unknown key"
    elif problem["type"] == "missing":
        message = "missing"
    elif problem["type"] in ("string_type", "literal_error") and isinstance(problem["input"], int | float):
        # A version such as 9.10, a checksum of digits, and in YAML 1.1 even 52:54:00:31:01:33 (in base 60) and `no`.
        taken_for = "true or false" if isinstance(problem["input"], bool) else "a number"
        message = f"put it in quotes: without them it is read as {taken_for}"
    elif problem["type"] != "value_error":
        message = KINDS.get(problem["type"], message)
        message += f" (given: {problem['input']!r})"
    return f"{key}: {message}" if key else message


def from_engine(config: Mapping[str, str], origin: str) -> LabSettings:
    """Settings from the engine's flat map of `project:key` to text, in which nested values are JSON."""
    values: dict[str, Any] = {}
    for key, text in config.items():
        namespace, _, name = key.partition(":")
        if namespace == NAMESPACE:
            values[name] = nested(text)
        elif namespace not in OTHERS:
            raise unknown(origin, key, name)
    return from_mapping(with_tarball(values, os.environ), origin)


def unknown(origin: object, key: str, name: str) -> LabError:
    """A key of no namespace that anybody reads."""
    known = name in LabSettings.model_fields
    return LabError(f"{origin}: {key}: unknown key", f"write it as {NAMESPACE}:{name}" if known else f"remove {key}")


def fix_tarball(environment: MutableMapping[str, str]) -> None:
    """Make the path of the tarball that the environment names absolute: the program runs in another folder."""
    if given := environment.get(TARBALL):
        environment[TARBALL] = str(Path(given).absolute())


def with_tarball(values: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Configuration values with the tarball that the environment names, if it names one."""
    given = environment.get(TARBALL)
    if not given:
        return dict(values)
    pool = values.get("pgpool", {})
    if isinstance(pool, dict):  # Else it is refused as it stands.
        pool = {key: value for key, value in pool.items() if key != "sha256"}
        pool["source"] = f"path:{Path(given).absolute()}"
    return {**values, "pgpool": pool}


def nested(text: str) -> Any:
    """A value as it was written: the engine hands objects and lists over as JSON, everything else as text."""
    try:
        return json.loads(text) if text[:1] in ("{", "[") else text
    except ValueError:
        return text


def from_stack_file(path: Path) -> LabSettings:
    """Read the settings of `stacks/Pulumi.STACK.yaml`, as the engine will hand them to the program."""
    stack = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
    if not path.exists():
        known = sorted(
            file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in path.parent.glob("Pulumi.*.yaml")
        )
        raise LabError(
            f"there is no stack {stack!r}: {path} does not exist",
            f"choose one of {', '.join(known)}, or write that file",
        )
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise LabError(f"cannot read {path}: {error.strerror}", "put a file with the stack's settings there") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise LabError(f"cannot read {path}: {error}", "correct the file") from None
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict):
        raise LabError(f"{path} has no 'config:' section", "give it one, like stacks/Pulumi.two-node.yaml")
    values = {}
    for key, value in config.items():
        namespace, _, name = str(key).rpartition(":")
        if namespace == NAMESPACE:
            values[name] = value
        elif namespace not in OTHERS:
            raise unknown(path, key, name)
    return from_mapping(with_tarball(values, os.environ), str(path))
