"""libvirtd in a network and a mount namespace of its own: it shares nothing with a libvirt that the user runs."""

from __future__ import annotations

import shlex
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.hypervisor import namespace
from pgpool_lab.paths import LabPaths
from pgpool_lab.progress import step, tail

START_SECONDS = 60
"""The daemon answers within two seconds; a starved machine is given longer."""

CONFIGURATION = {
    "libvirtd.conf": """\
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
unix_sock_ro_perms = "0700"
""",
    # These settings hold in this instance only. It has no systemd, cgroups or security driver of its own to talk to.
    "qemu.conf": """\
user = "root"
group = "root"
security_driver = "none"
remember_owner = 0
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
""",
}


@dataclass(frozen=True)
class PrivateLibvirt:
    """A running private libvirt: where to reach it, and the network namespace that its machines are in."""

    uri: str
    namespace: str


def uri(lab: LabPaths) -> str:
    """The socket lies outside the daemon's mount namespace, so that clients need not enter it."""
    return f"qemu:///system?socket={lab.runtime}/run/libvirt-sock"


def folders(lab: LabPaths) -> dict[str, Path]:
    """What the daemon sees where the distribution's daemon has its own folders."""
    return {
        "/etc/libvirt": lab.libvirt / "etc",
        "/var/lib/libvirt": lab.libvirt / "lib",
        "/var/cache/libvirt": lab.libvirt / "cache",
        "/var/log/libvirt": lab.libvirt / "log",
        "/run/libvirt": lab.runtime / "run",
    }


def answers(lab: LabPaths) -> bool:
    """Whether the daemon answers on its socket within five seconds."""
    try:
        asked = subprocess.run(["virsh", "-q", "-c", uri(lab), "version"], capture_output=True, timeout=5, check=False)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


def start(lab: LabPaths) -> PrivateLibvirt:
    """Start what is missing of namespace and daemon; machines and disks of an earlier run are found again."""
    found = PrivateLibvirt(uri=uri(lab), namespace=lab.name)
    namespace.create(lab)
    if answers(lab):
        return found
    for folder in folders(lab).values():
        folder.mkdir(parents=True, exist_ok=True)
    lab.root.chmod(0o700)
    for name, text in CONFIGURATION.items():
        (lab.libvirt / "etc" / name).write_text(text)
    log = lab.libvirt / "log" / "libvirtd.log"
    with step("Starting the lab's own libvirt"), log.open("ab") as output:
        # Its own session: Ctrl-C in a terminal is not for the daemon.
        process = subprocess.Popen(
            [
                "ip",
                "netns",
                "exec",
                lab.name,
                "unshare",
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                script(lab),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while not answers(lab):
            if process.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"the lab's own libvirt does not start; the end of {log}:\n{tail(log)}", "./lab doctor")
            time.sleep(0.2)
    return found


def script(lab: LabPaths) -> str:
    """Bind the lab's folders over the distribution's, then become the daemon."""
    lines = ["set -eu"]
    for place, folder in folders(lab).items():
        lines += [f"mkdir -p {place}", f"mount --bind {shlex.quote(str(folder))} {place}"]
    lines.append("exec libvirtd -f /etc/libvirt/libvirtd.conf -p /run/libvirt/libvirtd.pid")
    return "\n".join(lines)
