"""KVM or emulation: decided by a guest that really runs, since /dev/kvm may exist and be unusable."""

from __future__ import annotations

import platform
import subprocess
import tempfile
from pathlib import Path

from pgpool_lab.paths import cache_directory

PROBE_SECONDS = 5

EXIT_PORT = 0x501
EXIT_VALUE = 0x10
EXPECTED = EXIT_VALUE << 1 | 1
"""QEMU's isa-debug-exit device ends QEMU with this code when a guest writes EXIT_VALUE (QEMU, hw/misc/debugexit.c)."""


def boot_sector() -> bytes:
    """Sixteen-bit code that writes EXIT_VALUE to EXIT_PORT: mov dx, port; mov al, value; out dx, al; hlt."""
    code = b"\xba" + EXIT_PORT.to_bytes(2, "little") + b"\xb0" + bytes([EXIT_VALUE]) + b"\xee\xf4"
    return code.ljust(510, b"\x00") + b"\x55\xaa"


def probe_domain_type() -> str:
    """`kvm` when a guest runs under it within seconds, else `qemu`. Remembered until the next boot."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    remembered = cache_directory() / "domain-type" / f"{boot}-{platform.release()}"
    if remembered.is_file():
        return remembered.read_text()
    result = "kvm" if kvm_works() else "qemu"
    remembered.parent.mkdir(parents=True, exist_ok=True)
    remembered.write_text(result)
    return result


def kvm_works() -> bool:
    """Run the probe guest under KVM; a guest that hangs counts as not working."""
    if not Path("/dev/kvm").exists():
        return False
    with tempfile.TemporaryDirectory() as folder:
        disk = Path(folder) / "probe.img"
        disk.write_bytes(boot_sector())
        command = [
            "qemu-system-x86_64",
            "-accel",
            "kvm",
            "-cpu",
            "host",
            "-m",
            "16",
            "-display",
            "none",
            "-no-reboot",
        ]
        command += ["-nodefaults", "-device", f"isa-debug-exit,iobase={EXIT_PORT:#x},iosize=1"]
        command += ["-drive", f"file={disk},format=raw,if=ide"]
        try:
            return (
                subprocess.run(command, capture_output=True, timeout=PROBE_SECONDS, check=False).returncode == EXPECTED
            )
        except (subprocess.TimeoutExpired, OSError):
            return False
