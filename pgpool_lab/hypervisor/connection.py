"""Whether a libvirt can be reached."""

from __future__ import annotations

import subprocess

from pgpool_lab.errors import LabError

ANSWER_SECONDS = 15
"""A healthy daemon answers at once; one on a starved machine within seconds."""


def unreachable(uri: str) -> str:
    """Why the libvirt at `uri` cannot be used; empty when it answers."""
    try:
        asked = subprocess.run(
            # Not `version`: that makes libvirt examine QEMU first.
            ["virsh", "-q", "-c", uri, "list", "--name"],
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        return "the program virsh is not installed"
    except subprocess.TimeoutExpired:
        return f"no answer within {ANSWER_SECONDS} s"
    if asked.returncode == 0:
        return ""
    return " ".join(asked.stderr.split()) or f"virsh ended with exit code {asked.returncode}"


def connect_check(uri: str) -> None:
    """Raise a LabError that names the setting when the libvirt at `uri` cannot be reached."""
    if reason := unreachable(uri):
        raise LabError(
            f"libvirt_uri: the libvirt at {uri} cannot be reached: {reason}",
            "start that libvirt, correct libvirt_uri, or leave it out so that the lab uses a libvirt of its own",
        )
