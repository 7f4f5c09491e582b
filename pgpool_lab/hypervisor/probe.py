"""KVM or emulation: decided by the processor and a guest that really runs, for /dev/kvm may exist and be unusable."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from pathlib import Path
from typing import Literal

from pgpool_lab.hypervisor.configuration import KVM
from pgpool_lab.paths import cache_directory

DomainType = Literal["kvm", "qemu"]

CPUINFO = Path("/proc/cpuinfo")

HARDWARE_VIRTUALIZATION = {"vmx", "svm"}
"""Intel's and AMD's, by their names among the processor's flags.

Without it there is a KVM all the same where the host's own host lends one in software (PVM). The guest below runs to
its end there, and a boot loader does not: KVM's instruction emulator knows `iret` in real mode only
(arch/x86/kvm/emulate.c, em_iret).
"""

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


def virtualizes(cpuinfo: str) -> bool:
    """Whether the processor of a /proc/cpuinfo virtualizes by itself."""
    flags = next((line.partition(":")[2] for line in cpuinfo.splitlines() if line.startswith("flags")), "")
    return bool(HARDWARE_VIRTUALIZATION & set(flags.split()))


def probe_domain_type() -> DomainType:
    """libvirt's domain type: `kvm` when a guest runs under it, else `qemu`.

    What the guest showed is remembered until the next boot, by root: another user may be refused what root is not.
    """
    if not virtualizes(CPUINFO.read_text()):
        return "qemu"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    remembered = cache_directory() / "domain-type" / f"{boot}-{platform.release()}"
    known: dict[str, DomainType] = {"kvm": "kvm", "qemu": "qemu"}
    # Empty where it was being written when the machine went down.
    if remembered.is_file() and (said := known.get(remembered.read_text())):
        return said
    result: DomainType = "kvm" if KVM.exists() and guest_runs("kvm") else "qemu"
    if os.geteuid() == 0:
        remembered.parent.mkdir(parents=True, exist_ok=True)
        remembered.write_text(result)
    return result
