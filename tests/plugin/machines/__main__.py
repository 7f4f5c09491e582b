"""Nodes like the lab's, with commands for machines and disks: they write down what is made and removed.

MACHINES names a file with `log`, `image` (its hash), `nodes` (name and memory of each) and `kept` settings.
"""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pulumi
from pulumi_command import local

from components.guard import KeptSettings, OneMachineAtATime

# As the lab's own program: a guard that refuses an update has the engine interrupt it.
signal.signal(signal.SIGINT, signal.SIG_DFL)

given: dict[str, Any] = json.loads(Path(os.environ["MACHINES"]).read_text())


def thing(name: str, made_from: list[Any], **options: Any) -> local.Command:
    """Something that is replaced when what it is made from changes."""
    return local.Command(
        name,
        create=f"echo make {name} >> {given['log']}",
        delete=f"echo remove {name} >> {given['log']}",
        triggers=made_from,
        opts=pulumi.ResourceOptions(**options),
    )


kept = KeptSettings("kept-settings", given["kept"], stack="two-node")
guard = OneMachineAtATime("two-node")
image = thing(f"image-{given['image']}", [])
domains = []
for node, memory in given["nodes"].items():
    seed = thing(f"{node}-cloud-init", [], delete_before_replace=True, depends_on=[kept.resource])
    root = thing(f"{node}-root", [image.id], delete_before_replace=True, replace_with=[seed])
    domain = thing(node, [seed.id, root.id, memory], delete_before_replace=True, replace_with=[root])
    guard.record(node, definition=f"{given['image']} {memory}", machine=domain, parent=None)
    domains.append(domain)
local.Command(
    "join",
    create=f"cat > /dev/null; echo join >> {given['log']}",
    stdin=pulumi.Output.json_dumps([domain.id for domain in domains]),
)
