"""A lab in a libvirt that others use as well: that of the lab under test is the user's here."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from pgpool_lab import toolchain
from pgpool_lab.paths import LabPaths
from tests.live.beside import STACK, Checkout
from tests.live.lab import LiveLab

pytestmark = pytest.mark.two_nodes

Contents = Mapping[str, list[str]]


def libvirt_of(lab: LiveLab) -> dict[str, str]:
    """What makes that lab's libvirt the user's."""
    return {"LIBVIRT_DEFAULT_URI": lab.outputs.libvirt_uri}


def contents(lab: LiveLab) -> Contents:
    """What there is in the libvirt, and the network's interfaces but those of machines."""
    found = {
        "machines": lab.virsh("list", "--all", "--name").split(),
        "networks": lab.virsh("net-list", "--all", "--name").split(),
        "pools": lab.virsh("pool-list", "--all", "--name").split(),
        "interfaces": [name for _, name in socket.if_nameindex() if not name.startswith("vnet")],
    }
    found["volumes"] = [
        line.split()[0] for pool in found["pools"] for line in lab.virsh("vol-list", pool).splitlines() if line.split()
    ]
    return {kind: sorted(names) for kind, names in found.items()}


def leave_behind(lab: LiveLab, paths: LabPaths, folder: Path) -> None:
    """A network of another lab's name, as an update leaves it that was ended before it wrote it down."""
    definition = folder / "network.xml"
    definition.write_text(f"<network><name>{paths.name}</name><bridge name='pglghost'/></network>")
    lab.virsh("net-define", str(definition))


def test_a_lab_in_the_user_s_libvirt_comes_and_goes_beside_what_is_there(
    ready: LiveLab, checkout: Checkout, tmp_path: Path
) -> None:
    before, user, paths = contents(ready), libvirt_of(ready), checkout.paths
    leave_behind(ready, paths, tmp_path)
    try:
        up = checkout.run("./lab", "up", STACK, "--system", **user)
        said = up.stdout + up.stderr
        assert up.returncode == 0, said
        # The engine has one for each plugin that it found by PATH, and for what the program uses wrongly.
        assert "warning" not in said.lower(), said
        assert "healthy" in checkout.done("./lab", "status", STACK, **user).splitlines()
        there = contents(ready)["machines"]
        assert set(there) - set(before["machines"]) == {
            paths.domain(machine.name) for machine in ready.outputs.machines
        }
        assert not Path("/run/netns", paths.name).exists(), "it has a network namespace of its own"
    finally:
        checkout.done("./lab", "down", STACK, **user)
    assert contents(ready) == before
    assert not paths.root.exists()
    assert ready.is_at_start(), "what was there before is as it was"


def test_plain_pulumi_works_with_the_user_s_libvirt_and_state(
    ready: LiveLab, checkout: Checkout, tmp_path: Path
) -> None:
    """A preview: what an update does with it is what `./lab up --system` does."""
    tools = toolchain.take(os.environ.get("LAB_TOOLCHAIN"))
    home, state = tmp_path / "pulumi", tmp_path / "state"
    for folder in (home, state):
        folder.mkdir()
    (home / "plugins").symlink_to(tools.plugin_home / "plugins")
    user = libvirt_of(ready) | {
        # A language host that was built knows the environment by PATH only, an official one by Pulumi.yaml.
        "PATH": os.pathsep.join([str(checkout.folder / ".venv" / "bin"), str(tools.bin), os.environ["PATH"]]),
        "PULUMI_HOME": str(home),
        "PULUMI_CONFIG_PASSPHRASE": "a passphrase of the user's",
    }
    before = contents(ready)
    checkout.done("pulumi", "login", f"file://{state}", **user)
    checkout.done("pulumi", "stack", "init", STACK, **user)
    assert "to create" in checkout.done("pulumi", "preview", "--stack", STACK, "--non-interactive", **user)
    assert contents(ready) == before
