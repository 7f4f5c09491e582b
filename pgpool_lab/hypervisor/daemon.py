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
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.hypervisor import namespace, processes
from pgpool_lab.hypervisor.configuration import (
    KVM,
    LIBVIRTD_CONF,
    cover_texts,
    covers,
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
from pgpool_lab.paths import LabPaths, is_of
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
        if not is_of(handle, lab.root):
            raise LabError(f"the lab {lab.stack} was removed meanwhile", f"./lab up {lab.stack} makes it anew")
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


def start(lab: LabPaths, domain_type: DomainType | None = None) -> PrivateLibvirt:
    """Start what is missing of namespace and daemon; machines, networks and disks of an earlier run are found again.

    `domain_type` is the user's choice; without one a probe guest decides. Raises LabError when this process is not
    root, the daemon does not answer within START_SECONDS, or KVM is chosen where there is none.
    """
    require_root()
    if domain_type == "kvm" and not KVM.exists():
        raise LabError(f"domain_type: kvm, and this machine has no {KVM}", "leave domain_type out of the settings")
    found = PrivateLibvirt(uri=uri(lab), namespace=lab.name, domain_type=domain_type or probe_domain_type())
    with exclusively(lab):
        if namespace.create(lab):
            # As after a boot of the host: a runtime folder without its namespace tells of things that are gone,
            # and libvirt would not start its networks again.
            processes.end(processes.of_lab(lab))
            shutil.rmtree(lab.runtime, ignore_errors=True)
        elif covers(lab)[str(KVM)].exists() == (found.domain_type == "qemu") and not unreachable(found.uri):
            return found
        processes.end(processes.daemons(lab))
        prepare(lab, found.domain_type)
        launch(lab)
    return found


def prepare(lab: LabPaths, domain_type: DomainType) -> None:
    """Write the folders and settings that the daemon finds."""
    lab.root.chmod(0o700)
    for folder in (*folders(lab).values(), *packaged_folders(lab)):
        folder.mkdir(parents=True, exist_ok=True)
        # QEMU's unprivileged account passes through; the folder above these keeps everyone else out.
        folder.chmod(0o711)
    unprivileged = unprivileged_account()
    passwd, group = Path("/etc/passwd").read_text(), Path("/etc/group").read_text()
    for place, text in cover_texts(unprivileged, domain_type == "qemu", passwd, group).items():
        cover = covers(lab)[place]
        cover.unlink(missing_ok=True)
        if text is not None:
            cover.write_text(text)
            # QEMU's account may read users and groups, and must not be able to open what stands for /dev/kvm.
            cover.chmod(0o600 if place == str(KVM) else 0o644)
    account = qemu_account(unprivileged, kvm_access() if domain_type == "kvm" else None)
    (lab.libvirt / "etc" / "libvirtd.conf").write_text(LIBVIRTD_CONF)
    (lab.libvirt / "etc" / "qemu.conf").write_text(qemu_conf(account))


def launch(lab: LabPaths) -> None:
    """Start libvirtd and wait until it answers."""
    log = lab.libvirt / "log" / "libvirtd.log"
    with step("Starting the lab's own libvirt"), log.open("ab") as output:
        process = subprocess.Popen(
            # `ip netns exec` gives it a mount namespace too: /sys shows the lab's interfaces and no cgroups. Mounts
            # that are taken away on the host are taken away there too, so that it keeps no device busy.
            ["ip", "netns", "exec", lab.name, "sh", "-c", script(lab)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            # A session of its own: Ctrl-C or the end of the terminal is not for the daemon.
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while reason := unreachable(uri(lab)):
            # An earlier, interrupted start may just have become the daemon; then this process ends.
            failed = process.poll() is not None and not processes.daemons(lab)
            if failed or time.monotonic() > deadline:
                raise LabError(
                    f"the lab's own libvirt does not start ({reason}); the end of {log}:\n{tail(log)}",
                    "run ./lab doctor",
                )
            time.sleep(0.1)
        # Libvirt examines QEMU when it is first asked what that can do: now, and not while a machine waits for it.
        subprocess.run(
            ["virsh", "-q", "-c", uri(lab), "domcapabilities"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )


def script(lab: LabPaths) -> str:
    """Shell commands that bind the lab's files and folders over the host's and then become the daemon."""
    lines = ["set -eu"]
    for place, cover in covers(lab).items():
        if cover.exists() and Path(place).exists():
            lines.append(f"mount --bind {shlex.quote(str(cover))} {place}")
    # /run comes last: the sources of the binds lie below it.
    for place, folder in folders(lab).items():
        lines += [f"mkdir -p {place}", f"mount --bind {shlex.quote(str(folder))} {place}"]
    lines.append("exec libvirtd --config /etc/libvirt/libvirtd.conf --pid-file /run/libvirtd.pid")
    return "\n".join(lines)
