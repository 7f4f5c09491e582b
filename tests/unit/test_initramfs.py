"""What the initial RAM disk does about a clock whose frequency was taken wrong."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pgpool_lab.paths import PROJECT

DEVIATES = "tsc: PIT calibration deviates from HPET: 734773 2594193"
BUSYBOX = """#!/bin/sh
case $1 in
dmesg) cat "{folder}/dmesg" ;;
umount) ;;
reboot) echo reboot; kill "$PPID" ;;
*) exec "$@" ;;
esac
"""


def starts(folder: Path, said: str, count: int) -> list[bool]:
    """Of so many starts of a machine whose kernel says so, whether each begins anew."""
    script = (PROJECT / "cloud-init/boot/initramfs.sh").read_text()
    part = script[script.index("attempts=/root") : script.index("$busybox umount /dev\n")]
    busybox = folder / "busybox"
    busybox.write_text(BUSYBOX.format(folder=folder))
    busybox.chmod(0o755)
    (folder / "dmesg").write_text(f"{said}\n")
    command = f"busybox={busybox}\n{part.replace('/root/var/lib', str(folder))}"
    said_by = [subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False) for _ in range(count)]
    return ["reboot" in done.stdout for done in said_by]


@pytest.mark.parametrize(
    ("said", "expected"),
    [("tsc: Detected 2594.3 MHz processor", [False] * 2), (DEVIATES, [True] * 4 + [False, True])],
    ids=["well", "wrong"],
)
def test_a_machine_with_a_wrong_clock_starts_anew_four_times_and_then_goes_on(
    said: str, expected: list[bool], tmp_path: Path
) -> None:
    assert starts(tmp_path, said, len(expected)) == expected
