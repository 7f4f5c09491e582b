"""Makes the resources that the test describes in the file which RESOURCES names."""

import json
import os
from pathlib import Path
from typing import Any

import pulumi
from pulumi_command import local, remote

KINDS: dict[str, Any] = {
    "local.Command": local.Command,
    "remote.Command": remote.Command,
    "remote.CopyToRemote": remote.CopyToRemote,
}
ASSETS: dict[str, Any] = {
    "file": pulumi.FileAsset,
    "text": pulumi.StringAsset,
    "archive": pulumi.FileArchive,
}

made: dict[str, Any] = {}


def value(name: str, described: Any) -> Any:
    """A described argument: an asset, another resource's output, or the value itself."""
    if name == "source":
        [(kind, content)] = described.items()
        return ASSETS[kind](content)
    if name == "stdin_from":
        return made[described].stdout
    return described


for each in json.loads(Path(os.environ["RESOURCES"]).read_text()):
    arguments = {name.removesuffix("_from"): value(name, described) for name, described in each["arguments"].items()}
    resource = KINDS[each["kind"]](each["name"], **arguments, opts=pulumi.ResourceOptions(**each.get("options", {})))
    made[each["name"]] = resource
    if hasattr(resource, "stdout"):
        pulumi.export(f"{each['name']}.stdout", resource.stdout)
        pulumi.export(f"{each['name']}.stderr", resource.stderr)
