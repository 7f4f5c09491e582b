"""What is interrupted, killed or destroyed at a bad moment goes on afterwards, or nothing of it is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from pgpool_lab.cluster.status import primaries
from pgpool_lab.engine import has_resources
from pgpool_lab.hypervisor import processes, uri
from pgpool_lab.hypervisor.leftovers import ask, virsh
from pgpool_lab.hypervisor.namespace import NAMESPACES, delete
from pgpool_lab.paths import PROJECT, LabPaths
from pgpool_lab.waiting import bounded, wait_for
from tests.live.beside import Checkout
from tests.live.lab import LiveLab
from tests.live.process_lists import watched

pytestmark = pytest.mark.two_nodes

BEGIN_SECONDS = 360
"""From `./lab up` until its cluster is started: libvirt, a preview and the disks take some twenty seconds, boots and
files as long, several times that on a busy host."""
END_SECONDS = 120
"""For what an interrupted update has under way: it may be making a machine."""
LISTINGS = {"machines": "list", "networks": "net-list", "pools": "pool-list"}
"""Kinds of what libvirt has, and the verbs of virsh that list them."""


@pytest.fixture(scope="module")
def other(lab: LiveLab, checkout: Checkout) -> Iterator[Checkout]:
    """The other checkout, with the stack that is under test: a lab of the same name and addresses.

    Each test makes of it what it begins with, out of what the one before left.
    """
    same = replace(checkout, stack=lab.stack)
    try:
        yield same
    finally:
        same.done("./lab", "down", same.stack)


def inside(checkout: Checkout, *command: str) -> str:
    """What a command of the engine's prints there."""
    return checkout.done("./lab", "run", "--stack", checkout.stack, "--", *command)


def query(checkout: Checkout, statement: str) -> str:
    """What a statement through the virtual IP of its lab gives."""
    return checkout.done("./lab", "psql", "--stack", checkout.stack, "--", "-XAtc", statement).strip()


def running(paths: LabPaths) -> set[str]:
    """The lab's machines that run; none while its libvirt does not answer."""
    return set(virsh(uri(paths), "list", "--name").stdout.split())


@contextmanager
def begun(checkout: Checkout, printed: Path, moment: Callable[[str], bool]) -> Iterator[subprocess.Popen[bytes]]:
    """`./lab up` from a moment on, which is given what it has printed; nothing of it outlives the block."""
    up = checkout.begin(printed, "./lab", "up", checkout.stack)
    try:
        wait_for(
            lambda: (moment(printed.read_text()), up.poll()),
            lambda seen: seen[0] or seen[1] is not None,
            seconds=BEGIN_SECONDS,
            what=f"./lab up, which prints to {printed}, is where it is wanted",
            pause=0.2,
        )
        assert up.poll() is None, printed.read_text()
        yield up
    finally:
        with suppress(ProcessLookupError):
            os.killpg(up.pid, signal.SIGKILL)
        up.wait()


def made(paths: LabPaths) -> dict[str, list[str]]:
    """What there is in a lab's libvirt and network, by kind; no kind of which there is nothing."""
    found = {kind: ask(uri(paths), verb, "--all", "--name").split() for kind, verb in LISTINGS.items()}
    found["volumes"] = [str(file) for file in (paths.libvirt / "lib" / "images").rglob("*") if file.is_file()]
    listed = subprocess.run(["ip", "-j", "-n", paths.name, "link"], capture_output=True, text=True, check=True).stdout
    links = [str(link["ifname"]) for link in json.loads(listed)]
    # A kernel may put some of its own into every namespace.
    found["interfaces"] = [name for name in links if name == paths.bridge or name.startswith("vnet")]
    return {kind: names for kind, names in found.items() if names}


def network(paths: LabPaths) -> int:
    """Which network namespace is the lab's, by its number (namespaces(7))."""
    return (NAMESPACES / paths.name).stat().st_ino


def left(paths: LabPaths, namespace: int) -> dict[str, list[str]]:
    """What there still is of a lab on this machine, by kind; no kind of which there is nothing.

    `namespace` was its network. That lasts, with all its interfaces, as long as a process or a mount has it; machines
    are processes, and their definitions and disks are files.
    """
    places = [paths.root.parent, *Path("/run").glob(f"{paths.name}*"), *NAMESPACES.glob(f"{paths.name}*")]
    found: dict[str, list[str]] = {"files": [str(place) for place in places if place.exists()]}
    processes, mounts = [], set[str]()
    for folder in Path("/proc").glob("[0-9]*"):
        # It may end meanwhile.
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if paths.name in words or (folder / "ns" / "net").stat().st_ino == namespace:
                processes.append(f"{folder.name} {words}")
            mounts |= {line for line in (folder / "mountinfo").read_text().splitlines() if paths.name in line}
    found |= {"processes": processes, "mounts": sorted(mounts)}
    return {kind: names for kind, names in found.items() if names}


def test_a_preview_before_anything_exists_works_and_creates_nothing(other: Checkout) -> None:
    paths = other.paths
    other.done("./lab", "down", other.stack)
    told = inside(other, "pulumi", "preview", "--stack", other.stack, "--non-interactive")
    assert "to create" in told, told
    assert made(paths) == {}
    assert not has_resources(paths)
    assert not paths.operator_key.exists() and not paths.seeds.exists()
    namespace = network(paths)
    other.done("./lab", "down", other.stack)
    assert left(paths, namespace) == {}


def test_an_interrupted_up_ends_without_a_traceback_and_the_next_one_goes_on(other: Checkout, tmp_path: Path) -> None:
    paths, key = other.paths, ""
    other.done("./lab", "down", other.stack)
    moments: dict[str, Callable[[str], bool]] = {
        "libvirt": lambda printed: virsh(uri(paths), "list").returncode == 0,
        "machines": lambda printed: bool(running(paths)),
        "join": lambda printed: "remote:Command join creating" in printed,
        "serve": lambda printed: "remote:Command serve creating" in printed,
    }
    with watched() as lines:
        for name, moment in moments.items():
            printed = tmp_path / name
            with begun(other, printed, moment) as up:
                # What Ctrl-C does in a terminal: the engine hears of it as well.
                os.killpg(up.pid, signal.SIGINT)
                code = up.wait(bounded(END_SECONDS))
            said = printed.read_text()
            assert code == 130, said
            assert "the same command goes on from here" in said, said
            assert "Traceback" not in said, said
            key = key or (paths.operator_key.read_text() if paths.operator_key.exists() else "")
        told = other.done("./lab", "up", other.stack)
    assert "healthy" in told.splitlines(), told
    assert key and paths.operator_key.read_text() == key, "it was begun anew"
    listed, given = "\n".join(lines), secrets(other)
    assert "pulumi up" in listed and len(given) >= 5
    assert [name for name, secret in given.items() if secret in listed] == [], "in this machine's process list"


def test_two_checkouts_with_labs_of_the_same_name_and_addresses_do_not_meet(lab: LiveLab, other: Checkout) -> None:
    here = replace(other, folder=PROJECT)
    other.done("./lab", "up", other.stack)
    assert other.paths.operator_key.read_text() != here.paths.operator_key.read_text()
    try:
        for name, checkout in {"here": here, "there": other}.items():
            query(checkout, f"CREATE TABLE only_{name} ()")
        tables = "SELECT relname FROM pg_class WHERE relname LIKE 'only%'"
        assert [query(checkout, tables) for checkout in (here, other)] == ["only_here", "only_there"]
    finally:
        query(here, "DROP TABLE IF EXISTS only_here")
    assert lab.status()["healthy"]


def secrets(checkout: Checkout) -> dict[str, str]:
    """The passwords of a lab, and what its state is locked with."""
    shown = inside(
        checkout, "pulumi", "stack", "output", "credentials", "--show-secrets", "--json", "--stack", checkout.stack
    )
    passwords = {name: str(one["password"]) for name, one in json.loads(shown).items()}
    return passwords | {"the passphrase": checkout.paths.passphrase.read_text().strip()}


def test_a_passphrase_that_is_wrong_is_named_and_nothing_is_changed(lab: LiveLab, other: Checkout) -> None:
    other.done("./lab", "up", other.stack)
    file, machines = other.paths.passphrase, {other.paths.domain(machine.name) for machine in lab.outputs.machines}
    right = file.read_text()
    try:
        file.write_text("another one")
        refused = other.run("./lab", "up", other.stack)
    finally:
        file.write_text(right)
    assert refused.returncode == 1
    assert f"error: the passphrase in {file} does not open the lab's secrets" in refused.stderr, refused.stderr
    assert "Traceback" not in refused.stderr
    assert running(other.paths) == machines
    assert query(other, "SELECT 1") == "1"


def restart_host(paths: LabPaths) -> None:
    """What a restart of this machine does to one lab, without a word to anybody: its processes and namespaces are gone,
    its files are there."""
    for process in processes.of_lab(paths):
        # It may have ended with another.
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    wait_for(lambda: processes.of_lab(paths), lambda left: not left, seconds=30, what="nothing of the lab runs")
    delete(paths)
    shutil.rmtree(paths.runtime)


def test_a_lab_comes_back_with_its_data_after_a_restart_of_the_host(other: Checkout) -> None:
    other.done("./lab", "up", other.stack)
    query(other, "CREATE TABLE kept AS SELECT 42 AS number")
    restart_host(other.paths)
    told = other.done("./lab", "up", other.stack)
    assert "healthy" in told.splitlines(), told
    assert " created" not in told, told
    assert query(other, "SELECT number FROM kept") == "42"


def test_destroy_works_in_the_middle_of_a_failover(other: Checkout) -> None:
    paths = other.paths
    other.done("./lab", "up", other.stack)
    report = json.loads(other.done("./lab", "status", other.stack, "--json"))
    [primary] = primaries(report)
    assert report["vip"]["holders"] == [primary]
    ask(uri(paths), "destroy", paths.domain(primary))
    inside(other, "pulumi", "destroy", "--yes", "--stack", other.stack)
    assert not has_resources(paths)
    assert made(paths) == {}
    assert not paths.operator_key.exists()


def test_down_after_an_up_that_was_killed_half_way_leaves_nothing(
    lab: LiveLab, other: Checkout, tmp_path: Path
) -> None:
    paths = other.paths
    other.done("./lab", "down", other.stack)
    machines = {paths.domain(machine.name) for machine in lab.outputs.machines}
    with begun(other, tmp_path / "printed", lambda printed: machines <= running(paths)) as up:
        namespace = network(paths)
        os.killpg(up.pid, signal.SIGKILL)
    other.done("./lab", "down", other.stack)
    assert left(paths, namespace) == {}
