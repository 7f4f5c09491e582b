"""KVM or emulation: decided by a guest that really runs, since /dev/kvm may exist and be unusable."""

from __future__ import annotations

import platform
import subprocess
import tempfile
from pathlib import Path
from typing import Literal

from pgpool_lab.hypervisor.configuration import KVM
from pgpool_lab.paths import cache_directory

DomainType = Literal["kvm", "qemu"]

PROBE_SECONDS = 5
"""The guest needs less than a second where KVM works."""

EXIT_PORT = 0x501
EXIT_VALUE = 0x10
EXPECTED = EXIT_VALUE << 1 | 1
"""QEMU's isa-debug-exit device ends QEMU with this code when a guest writes EXIT_VALUE (hw/misc/debugexit.c)."""


def boot_sector() -> bytes:
    """512 bytes whose 16-bit code writes EXIT_VALUE to EXIT_PORT: mov dx, port; mov al, value; out dx, al; hlt."""
    code = b"\xba" + EXIT_PORT.to_bytes(2, "little") + b"\xb0" + bytes([EXIT_VALUE]) + b"\xee\xf4"
    return code.ljust(510, b"\x00") + b"\x55\xaa"


def guest_runs(accelerator: Literal["kvm", "tcg"]) -> bool:
    """Whether the probe guest comes to its end. One that hangs counts as not running."""
    with tempfile.TemporaryDirectory() as folder:
        disk = Path(folder) / "probe.img"
        disk.write_bytes(boot_sector())
        command = ["qemu-system-x86_64", "-accel", accelerator, "-cpu", "max", "-m", "16"]
        command += ["-nodefaults", "-display", "none", "-no-reboot"]
        command += ["-device", f"isa-debug-exit,iobase={EXIT_PORT:#x},iosize=1"]
        command += ["-drive", f"file={disk},format=raw,if=ide"]
        try:
            ended = subprocess.run(
                command, capture_output=True, timeout=PROBE_SECONDS, check=False, stdin=subprocess.DEVNULL
            )
        except (subprocess.TimeoutExpired, OSError):
            return False
        return ended.returncode == EXPECTED


def probe_domain_type() -> DomainType:
    """libvirt's domain type: `kvm` when a guest runs under it, else `qemu`. Remembered until the next boot."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    remembered = cache_directory() / "domain-type" / f"{boot}-{platform.release()}"
    if remembered.is_file():
        return "kvm" if remembered.read_text() == "kvm" else "qemu"
    result: DomainType = "kvm" if KVM.exists() and guest_runs("kvm") else "qemu"
    remembered.parent.mkdir(parents=True, exist_ok=True)
    remembered.write_text(result)
    return result
