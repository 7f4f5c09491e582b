"""A lab in a libvirt that others use as well: that of the lab under test is the user's here."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from pgpool_lab import toolchain
from pgpool_lab.paths import PROJECT, LabPaths
from tests.live.lab import LiveLab

pytestmark = pytest.mark.two_nodes

STACK = "beside"
"""Another lab in the same network namespace: its addresses are its own."""
MOVED = {"192.168.31.": "192.168.32.", "52:54:00:": "52:54:01:"}

Contents = Mapping[str, list[str]]


@pytest.fixture(scope="module")
def checkout(lab: LiveLab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another checkout, which has the stack; it shares this one's Python environment."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / name, target)
    (folder / ".venv").symlink_to(PROJECT / ".venv")
    settings = LabPaths(lab.stack).stack_file.read_text()
    for old, new in MOVED.items():
        settings = settings.replace(old, new)
    LabPaths(STACK, folder).stack_file.write_text(settings)
    return folder


def run(checkout: Path, lab: LiveLab, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command in that checkout, for a user whose libvirt is that of the lab under test."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("LAB_", "PULUMI_"))}
    environment = {**own, "LIBVIRT_DEFAULT_URI": lab.outputs.libvirt_uri, **variables}
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


def contents(lab: LiveLab) -> Contents:
    """What there is in the libvirt, and the network's interfaces but those of machines."""
    found = {
        "machines": lab.virsh("list", "--all", "--name").split(),
        "networks": lab.virsh("net-list", "--all", "--name").split(),
        "pools": lab.virsh("pool-list", "--all", "--name").split(),
        "interfaces": [each.name for each in Path("/sys/class/net").iterdir() if not each.name.startswith("vnet")],
    }
    found["volumes"] = [
        line.split()[0] for pool in found["pools"] for line in lab.virsh("vol-list", pool).splitlines() if line.split()
    ]
    return {kind: sorted(names) for kind, names in found.items()}


def test_a_lab_in_the_user_s_libvirt_comes_and_goes_beside_what_is_there(ready: LiveLab, checkout: Path) -> None:
    before = contents(ready)
    paths = LabPaths(STACK, checkout)
    try:
        up = run(checkout, ready, "./lab", "up", STACK, "--system")
        assert up.returncode == 0, up.stdout + up.stderr
        status = run(checkout, ready, "./lab", "status", STACK)
        assert (status.returncode, "healthy" in status.stdout.splitlines()) == (0, True), status.stdout
        there = contents(ready)["machines"]
        assert set(there) - set(before["machines"]) == {
            paths.domain(machine.name) for machine in ready.outputs.machines
        }
        assert not Path("/run/netns", paths.name).exists(), "it has a network namespace of its own"
    finally:
        down = run(checkout, ready, "./lab", "down", STACK)
    assert down.returncode == 0, down.stdout + down.stderr
    assert contents(ready) == before
    assert not paths.root.exists()
    assert ready.is_at_start(), "what was there before is as it was"


def test_plain_pulumi_works_with_the_user_s_libvirt_and_state(ready: LiveLab, checkout: Path, tmp_path: Path) -> None:
    """A preview: what an update does with it is what `./lab up --system` does."""
    tools = toolchain.take(os.environ.get("LAB_TOOLCHAIN"))
    home, state = tmp_path / "pulumi", tmp_path / "state"
    for folder in (home, state):
        folder.mkdir()
    (home / "plugins").symlink_to(tools.plugin_home / "plugins")
    user = {
        # A language host that was built knows the environment by PATH only, an official one by Pulumi.yaml.
        "PATH": os.pathsep.join([str(checkout / ".venv" / "bin"), str(tools.bin), os.environ["PATH"]]),
        "PULUMI_HOME": str(home),
        "PULUMI_CONFIG_PASSPHRASE": "a passphrase of the user's",
    }
    before = contents(ready)
    for command in (
        ("login", f"file://{state}"),
        ("stack", "init", STACK),
        ("preview", "--stack", STACK, "--non-interactive"),
    ):
        done = run(checkout, ready, "pulumi", *command, **user)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "to create" in done.stdout
    assert contents(ready) == before
