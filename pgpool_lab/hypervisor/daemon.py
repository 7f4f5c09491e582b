"""libvirtd in a network and a mount namespace of its own: it shares nothing with a libvirt that the user runs."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pgpool_lab.errors import LabError
from pgpool_lab.hypervisor import namespace, processes
from pgpool_lab.hypervisor.configuration import (
    KVM,
    LIBVIRTD_CONF,
    folders,
    kvm_access,
    packaged_folders,
    qemu_account,
    qemu_conf,
    unprivileged_account,
    uri,
)
from pgpool_lab.hypervisor.connection import unreachable
from pgpool_lab.hypervisor.probe import DomainType, probe_domain_type
from pgpool_lab.paths import LabPaths
from pgpool_lab.progress import step, tail

START_SECONDS = 60
"""The daemon answers within two seconds; a starved machine is given longer."""


@dataclass(frozen=True)
class PrivateLibvirt:
    """A running private libvirt: how to reach it, the namespace of its machines, and what runs them."""

    uri: str
    namespace: str
    domain_type: DomainType


@contextmanager
def exclusively(lab: LabPaths) -> Iterator[None]:
    """Keep two commands from starting or removing the same lab's libvirt at once."""
    lab.root.mkdir(parents=True, exist_ok=True)
    handle = os.open(lab.root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def require_root() -> None:
    """Raises LabError when this process may not make namespaces and mounts."""
    if os.geteuid() != 0:
        raise LabError(
            "the lab's own libvirt needs root: it lives in a network and a mount namespace of its own",
            "repeat the command with sudo, or use the system's libvirt with --system",
        )


def start(lab: LabPaths) -> PrivateLibvirt:
    """Start what is missing of namespace and daemon; machines, networks and disks of an earlier run are found again.

    Raises LabError when this process is not root or the daemon does not answer within START_SECONDS.
    """
    require_root()
    found = PrivateLibvirt(uri=uri(lab), namespace=lab.name, domain_type=probe_domain_type())
    with exclusively(lab):
        if namespace.create(lab):
            # As after a boot of the host: a runtime folder without its namespace tells of things that are gone,
            # and libvirt would not start its networks again.
            processes.end(processes.of_lab(lab))
            shutil.rmtree(lab.runtime, ignore_errors=True)
        elif not unreachable(found.uri):
            return found
        processes.end(processes.daemons(lab))
        prepare(lab, found.domain_type)
        launch(lab, found.domain_type)
    return found


def prepare(lab: LabPaths, domain_type: DomainType) -> None:
    """Write the folders and settings that the daemon finds."""
    lab.root.chmod(0o700)
    for folder in (*folders(lab).values(), *packaged_folders(lab)):
        folder.mkdir(parents=True, exist_ok=True)
        # QEMU's unprivileged account passes through; the folder above these keeps everyone else out.
        folder.chmod(0o711)
    account = qemu_account(unprivileged_account(), kvm_access() if domain_type == "kvm" else None)
    (lab.libvirt / "etc" / "libvirtd.conf").write_text(LIBVIRTD_CONF)
    (lab.libvirt / "etc" / "qemu.conf").write_text(qemu_conf(account))


def launch(lab: LabPaths, domain_type: DomainType) -> None:
    """Start libvirtd and wait until it answers."""
    log = lab.libvirt / "log" / "libvirtd.log"
    with step("Starting the lab's own libvirt"), log.open("ab") as output:
        process = subprocess.Popen(
            # `ip netns exec` gives it a mount namespace too: /sys shows the lab's interfaces and no cgroups. Mounts
            # that are taken away on the host are taken away there too, so that it keeps no device busy.
            ["ip", "netns", "exec", lab.name, "sh", "-c", script(lab, domain_type)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            # A session of its own: Ctrl-C or the end of the terminal is not for the daemon.
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while reason := unreachable(uri(lab)):
            if process.poll() is not None or time.monotonic() > deadline:
                raise LabError(
                    f"the lab's own libvirt does not start ({reason}); the end of {log}:\n{tail(log)}",
                    "run ./lab doctor",
                )
            time.sleep(0.1)


def script(lab: LabPaths, domain_type: DomainType) -> str:
    """Shell commands that bind the lab's folders over the distribution's and then become the daemon.

    A /dev/kvm that is there and unusable is covered by an empty file: libvirt would examine QEMU anew before each
    operation, four seconds each, since it probes with a capability that lets it open the device and then finds that
    QEMU's account may not (qemuProcessQMPLaunch and virQEMUCapsIsValid in libvirt's sources).
    """
    lines = ["set -eu"]
    if domain_type == "qemu":
        cover = shlex.quote(str(lab.runtime / "no-kvm"))
        lines += [f"install -m 0600 /dev/null {cover}", f"test ! -e {KVM} || mount --bind {cover} {KVM}"]
    for place, folder in folders(lab).items():
        lines += [f"mkdir -p {place}", f"mount --bind {shlex.quote(str(folder))} {place}"]
    lines.append("exec libvirtd --config /etc/libvirt/libvirtd.conf --pid-file /run/libvirtd.pid")
    return "\n".join(lines)
