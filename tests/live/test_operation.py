"""Operating a lab: repeated updates, keys, secrets, ports."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from pgpool_lab.engine import Engine
from pgpool_lab.harness.clients import direct, rows
from pgpool_lab.harness.restoration import wait_until_healthy
from pgpool_lab.hypervisor import processes
from pgpool_lab.lab import Lab
from pgpool_lab.node.script import KEPT_CONNECTION
from pgpool_lab.paths import PROJECT, LabPaths
from tests.live.conftest import UP
from tests.live.lab import LiveLab
from tests.live.process_lists import PROCESSES, watched

# What is operated here is the same code whatever the number of nodes; with more of them it takes minutes longer.
pytestmark = pytest.mark.two_nodes


PRIVATE_KEYS = ("/root/.ssh/id_ed25519", "/var/lib/postgresql/.ssh/id_ed25519", "/etc/ssh/ssh_host_ed25519_key")
"""A node's: of the two accounts of the mesh, and its own."""
KEY_LINE = 70
"""Characters of a private key's full lines. A log may break a key up, and the short last line is found anywhere."""


def secrets(lab: LiveLab) -> dict[str, list[str]]:
    """What nobody may read of a lab, by what it is: a password as it is, a private key by its full lines."""
    # The watchdog's and that of pgpool's file of passwords are no outputs.
    passwords: dict[str, str] = json.loads(lab.shell(lab.first, "cat /etc/pgpool-lab/secrets.json"))
    assert {"superuser", "replication", "check", "pcp", "watchdog", "pgpool_key"} <= set(passwords)
    keys = {
        f"{machine.name}:{file}": lab.shell(machine, f"cat {file}") for machine in lab.nodes for file in PRIVATE_KEYS
    }
    keys["the operator's key"] = lab.outputs.ssh.private_key_path.read_text()
    pieces = {name: [line for line in key.splitlines() if len(line) == KEY_LINE] for name, key in keys.items()}
    assert all(pieces.values())
    words = passwords | {"the engine's passphrase": LabPaths(lab.stack).passphrase.read_text().strip()}
    return {name: [word] for name, word in words.items()} | pieces


def disclosed(lab: LiveLab, places: Mapping[str, str]) -> list[str]:
    """Which secrets can be read where, in words that don't show them once more."""
    kept = secrets(lab)
    return [
        f"{name} in {place}"
        for place, text in places.items()
        for name, pieces in kept.items()
        if any(piece in text for piece in pieces)
    ]


def test_a_refresh_of_a_healthy_lab_shows_no_changes(ready: LiveLab) -> None:
    """Before the update below, which would write such a change down."""
    refresh = ("pulumi", "refresh", "--stack", ready.stack, "--preview-only", "--non-interactive")
    typed(ready, "run", "--", *refresh, "--expect-no-changes")


def test_a_second_update_changes_nothing(ready: LiveLab, engine: Engine) -> None:
    engine.ask([*UP, "--expect-no-changes"])
    assert ready.status()["healthy"]


MESHES = {"full": {"root", "postgres"}, "service": {"postgres"}}
"""The accounts that take part, by the setting `ssh_mesh`."""


@pytest.mark.parametrize("account", ["root", "postgres"])
def test_every_account_of_the_mesh_enters_all_of_them_without_a_password_and_no_other_does(
    lab: LiveLab, account: str
) -> None:
    mesh = MESHES[Lab(LabPaths(lab.stack)).settings.ssh_mesh]
    login = f"runuser -u {account} -- ssh -n -o BatchMode=yes"
    for node in lab.nodes:
        for target in lab.nodes:
            for other in ("root", "postgres"):
                said = lab.shell(node, f"{login} {other}@{target.name} 'id -un; hostname' || true")
                assert said.split() == ([other, target.name] if {account, other} <= mesh else [])


def test_every_node_keeps_a_connection_to_its_peers(ready: LiveLab) -> None:
    for node in ready.nodes:
        for peer in ready.nodes:
            if peer is not node:
                # A peer that was away is entered again after 15 s.
                asked = f"runuser -u postgres -- ssh -O check -o '{KEPT_CONNECTION}' postgres@{peer.name} 2>&1"
                said = ready.shell(node, f"for _ in {{1..30}}; do {asked} && break; sleep 1; done")
                assert said.splitlines()[-1].startswith("Master running"), said


def typed(lab: LiveLab, command: str, *words: str) -> str:
    """What `./lab COMMAND` prints."""
    line = [str(PROJECT / "lab"), command, "--stack", lab.stack, *words]
    done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_clock_of_every_node_goes_as_fast_as_this_machine_s(ready: LiveLab) -> None:
    earlier = [ready.act(node, "true") for node in ready.nodes]
    time.sleep(5)
    for node, first in zip(ready.nodes, earlier, strict=True):
        second = ready.act(node, "true")
        assert first.uptime is not None and second.uptime is not None
        passed = second.uptime - first.uptime
        assert 0.95 * (second.before - first.after) < passed < 1.05 * (second.after - first.before), node.name


def test_a_person_gets_to_the_database_a_node_and_its_logs(ready: LiveLab) -> None:
    shown = typed(ready, "psql", "--", "-XAt", "-c", "show pool_nodes")
    assert [line.split("|")[1] for line in shown.splitlines()] == [node.name for node in ready.nodes]
    for node in ready.nodes:
        assert typed(ready, "ssh", node.name, "--", "hostname").split() == [node.name]
    assert "==> /var/log/pgpool-lab/postgresql.log <==" in typed(ready, "logs", ready.first.name)


def test_no_secret_is_in_a_process_list(ready: LiveLab, engine: Engine) -> None:
    listed = {
        # While the agent works: it is what handles them, and hands them to its clients.
        node.name: ready.shell(
            node,
            f"{node.scripts.agent} facts >/dev/null & while kill -0 $! 2>/dev/null; do {' '.join(PROCESSES)}; done",
        )
        for node in ready.nodes
    }
    for node in ready.nodes:
        assert "/psql -" in listed[node.name], listed[node.name]
    with watched() as lines:
        # The engine's turn: it and its plugins have them all.
        engine.ask(UP)
    here = "\n".join(lines)
    assert "pulumi up" in here
    assert disclosed(ready, listed | {"this machine": here}) == []


def test_no_secret_is_in_a_log(ready: LiveLab, reports: Path) -> None:
    everything = "find /var/log -name '*.log' -exec cat {} +; journalctl --no-pager"
    logs = {node.name: ready.shell(node, everything) for node in ready.nodes}
    assert all("postgres" in log for log in logs.values())
    paths = LabPaths(ready.stack)
    # What the engine did and said, the consoles of the machines, libvirt's own, the engine's own, and what runs left.
    for folder in (paths.logs, paths.libvirt / "log", paths.root / "pulumi" / "logs", reports):
        logs |= {str(file): file.read_text(errors="replace") for file in folder.rglob("*") if file.is_file()}
    assert {"events.json", *(f"{node.domain}-console.log" for node in ready.nodes)} <= {Path(log).name for log in logs}
    assert disclosed(ready, logs) == []


def test_outputs_and_state_hide_every_secret(lab: LiveLab, engine: Engine) -> None:
    outputs = engine.ask(["stack", "output", "--stack", lab.stack, "--json"])
    assert json.loads(outputs)["vip"] == lab.outputs.vip
    state = engine.ask(["stack", "export", "--stack", lab.stack])
    assert disclosed(lab, {"the outputs": outputs, "the state": state}) == []


def test_private_keys_are_readable_by_their_owner_only(lab: LiveLab) -> None:
    assert lab.outputs.ssh.private_key_path.stat().st_mode & 0o777 == 0o600
    # A machine's disks have its keys as well.
    pool = LabPaths(lab.stack).libvirt / "lib" / "images"
    disks = {file.name: file.stat().st_mode & 0o777 for node in lab.nodes for file in pool.rglob(f"{node.name}-*")}
    assert len(disks) == 3 * len(lab.nodes) and set(disks.values()) == {0o600}, disks
    for node in lab.nodes:
        assert set(lab.shell(node, f"stat -c %a {' '.join(PRIVATE_KEYS)}").split()) == {"600"}


LISTENER = "import signal, socket; server = socket.create_server(('127.0.0.1', 0)); print(flush=True); signal.pause()"


def test_nothing_of_the_lab_listens_outside_its_namespace(lab: LiveLab) -> None:
    assert lab.outputs.network.namespace is not None
    # The process that started these tests is not in the lab's network.
    outside = ["nsenter", f"--net=/proc/{os.getppid()}/ns/net", "--"]
    here = Path("/proc/self/ns/net").stat().st_ino
    assert Path(f"/proc/{os.getppid()}/ns/net").stat().st_ino != here
    # One that does, to know that it would be seen.
    known = subprocess.Popen([*outside, sys.executable, "-c", LISTENER], stdout=subprocess.PIPE)
    try:
        assert known.stdout is not None and known.stdout.readline() == b"\n"
        listed = [*outside, "ss", "-H", "-l", "-t", "-u", "-n", "-p"]
        said = subprocess.run(listed, capture_output=True, text=True, check=True).stdout
    finally:
        known.kill()
        known.wait()
    listening = {int(process) for process in re.findall(r"pid=(\d+)", said)}
    assert known.pid in listening
    ours = processes.of_lab(LabPaths(lab.stack))
    assert ours
    assert not listening & set(ours), said
    links = subprocess.run([*outside, "ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    assert lab.outputs.network.bridge not in links
    assert Path(f"/run/netns/{lab.outputs.network.namespace}").exists()


MEMORY = """awk '/MemAvailable/ { print $2 }' /proc/meminfo
awk '/oom_kill / { ended = $2 } END { print ended + 0 }' /proc/vmstat"""


def test_every_node_has_memory_to_spare_and_nothing_was_ended_for_want_of_it(ready: LiveLab) -> None:
    for node in ready.nodes:
        available, ended = ready.shell(node, MEMORY).split()
        print(f"{node.name}: {int(available) // 1024} MiB available")
        assert int(ended) == 0, node.name
        # A base backup and a rewind beside all that runs.
        assert int(available) > 64 * 1024, node.name


def test_a_standby_takes_no_writes(ready: LiveLab) -> None:
    with direct(ready.outputs, ready.nodes[1]) as connection:
        assert rows(connection, "SELECT pg_is_in_recovery() AS standby") == [{"standby": True}]


IDENTITY = "SELECT system_identifier::text, timeline_id FROM pg_control_system(), pg_control_checkpoint()"


def test_the_join_goes_by_the_data_not_by_markers(ready: LiveLab) -> None:
    first, others = ready.nodes[0], ready.nodes[1:]
    with direct(ready.outputs, first) as connection:
        before = rows(connection, IDENTITY)
    for services in ("pgpool", "postgresql"):
        for node in ready.nodes:
            ready.shell(node, f"systemctl stop {getattr(node.services, services)}")
    for node in ready.nodes:
        ready.shell(node, "rm -rf /run/pgpool-lab-* /run/lock/pgpool-lab-* /run/pgpool")
    # As if no cluster had ever been known of.
    joined = ready.agent(first, "join")
    assert joined["primary"] == first.name
    assert joined["actions"] == [f"start-primary {first.name}", *[f"follow {node.name}" for node in others]]
    ready.agent(first, "start")
    with direct(ready.outputs, first) as connection:
        assert rows(connection, IDENTITY) == before
    wait_until_healthy(ready)
