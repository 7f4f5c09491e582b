"""Boots bare machines side by side, and prints after how many seconds each takes a login.

Run as a program in a network namespace that it has for itself (`unshare --net`): it makes a bridge there, which goes
with it. Arguments: the images, and `--accelerator`, `--memory-mib`, `--vcpus`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pgpool_lab.image import seed
from pgpool_lab.image.cloud_init import (
    NetworkConfig,
    UserData,
    render_meta_data,
    render_network_config,
    render_user_data,
)
from pgpool_lab.progress import end_when_told

PREFIX = "192.168.31"
BRIDGE = "bench"
BOOT_SECONDS = 600
"""The distribution's own boot takes two minutes on an emulated processor; several times that on a busy host."""

LOGIN_SECONDS = 20
DATA_DISK = "2G"


@dataclass(frozen=True)
class Machine:
    """One bare machine: a copy-on-write disk over the image, an empty data disk, a seed."""

    name: str
    image: Path
    folder: Path
    number: int

    @property
    def ip(self) -> str:
        return f"{PREFIX}.{10 + self.number}"

    @property
    def mac(self) -> str:
        return f"52:54:00:be:00:{self.number:02x}"

    @property
    def tap(self) -> str:
        return f"bench{self.number}"


def ran(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True)


def make_network(machines: Sequence[Machine]) -> None:
    """A bridge with one port a machine, in this process's own network namespace."""
    ran("ip", "link", "add", BRIDGE, "type", "bridge")
    ran("ip", "addr", "add", f"{PREFIX}.1/24", "dev", BRIDGE)
    ran("ip", "link", "set", BRIDGE, "up")
    for machine in machines:
        ran("ip", "tuntap", "add", "dev", machine.tap, "mode", "tap")
        ran("ip", "link", "set", machine.tap, "master", BRIDGE, "up")


def make_disks(machine: Machine, key: Path) -> None:
    """The seed that a node of the lab gets, and the disks."""
    folder = machine.folder
    documents = {
        "user-data": render_user_data(
            UserData(
                hostname=machine.name,
                hosts=((machine.name, machine.ip),),
                host_key_private=key.read_text(),
                host_key_public=key.with_suffix(".pub").read_text().strip(),
                operator_public_key=key.with_suffix(".pub").read_text().strip(),
            )
        ),
        "meta-data": render_meta_data(machine.name),
        "network-config": render_network_config(NetworkConfig(mac=machine.mac, address_with_prefix=f"{machine.ip}/24")),
    }
    seed.write(json.dumps(documents), folder, machine.name).rename(folder / "seed.iso")
    ran("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", machine.image, folder / "root.qcow2")
    ran("qemu-img", "create", "-q", "-f", "qcow2", folder / "data.qcow2", DATA_DISK)


def qemu(machine: Machine, accelerator: str, memory_mib: int, vcpus: int) -> list[str]:
    """The machine as libvirt would start a node: same processor, disks and network card."""
    folder = machine.folder
    command = ["qemu-system-x86_64", "-machine", "pc", "-accel", accelerator, "-cpu", "max"]
    command += ["-m", str(memory_mib), "-smp", str(vcpus), "-display", "none", "-nodefaults", "-serial", "null"]
    for disk in ("root", "data"):
        command += ["-drive", f"file={folder / disk}.qcow2,if=virtio,format=qcow2"]
    command += ["-drive", f"file={folder / 'seed.iso'},if=virtio,readonly=on,format=raw"]
    command += ["-netdev", f"tap,id=lan,ifname={machine.tap},script=no,downscript=no"]
    return [*command, "-device", f"virtio-net-pci,netdev=lan,mac={machine.mac}"]


def takes_login(machine: Machine, key: Path) -> bool:
    """Whether ssh as root works, with the host key that the machine was given."""
    known = machine.folder / "known_hosts"
    known.write_text(f"{machine.ip} {key.with_suffix('.pub').read_text()}")
    options = ["BatchMode=yes", "ConnectTimeout=2", f"UserKnownHostsFile={known}", "StrictHostKeyChecking=yes"]
    command = ["ssh", "-F", "/dev/null", "-n", "-i", str(key)]
    for option in options:
        command += ["-o", option]
    try:
        done = subprocess.run(
            [*command, f"root@{machine.ip}", "true"], capture_output=True, timeout=LOGIN_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def measure(images: Sequence[Path], accelerator: str, memory_mib: int, vcpus: int) -> list[float | None]:
    """Seconds from the start of all to each one's first login; None for one that took none in BOOT_SECONDS."""
    with tempfile.TemporaryDirectory(prefix="pgpool-lab-bench-") as folder:
        key = Path(folder) / "key"
        ran("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        machines = []
        for number, image in enumerate(images):
            place = Path(folder) / f"machine{number}"
            place.mkdir()
            machines.append(Machine(f"machine{number}", image, place, number))
        make_network(machines)
        for machine in machines:
            make_disks(machine, key)
        started = time.monotonic()
        processes = [
            subprocess.Popen(qemu(machine, accelerator, memory_mib, vcpus), stdin=subprocess.DEVNULL)
            for machine in machines
        ]
        try:
            return until_all_take_logins(machines, key, started)
        finally:
            for process in processes:
                process.kill()
                process.wait()


def until_all_take_logins(machines: Sequence[Machine], key: Path, started: float) -> list[float | None]:
    """Ask the machines in turn. A machine without a network yet costs one attempt ConnectTimeout."""
    times: dict[str, float] = {}
    while len(times) < len(machines) and time.monotonic() - started < BOOT_SECONDS:
        for machine in machines:
            if machine.name not in times and takes_login(machine, key):
                times[machine.name] = time.monotonic() - started
        time.sleep(0.2)
    return [times.get(machine.name) for machine in machines]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--accelerator", required=True)
    parser.add_argument("--memory-mib", type=int, required=True)
    parser.add_argument("--vcpus", type=int, required=True)
    given = parser.parse_args()
    print(json.dumps(measure(given.images, given.accelerator, given.memory_mib, given.vcpus)))


if __name__ == "__main__":
    end_when_told()
    main()
