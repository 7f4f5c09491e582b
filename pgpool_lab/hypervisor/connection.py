"""Whether a libvirt can be reached."""

from __future__ import annotations

import shutil
import subprocess
from urllib.parse import urlsplit

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
    return reason(asked.stderr) or f"virsh ended with exit code {asked.returncode}"


def reason(said: str) -> str:
    """virsh's complaint on one line; every line of it begins with `error:`."""
    return ": ".join(line.removeprefix("error:").strip().rstrip(":") for line in said.splitlines() if line.strip())


def connect_check(uri: str) -> None:
    """Raise a LabError that names the setting when the libvirt at `uri` cannot be reached."""
    if why := unreachable(uri):
        raise LabError(
            f"libvirt_uri: the libvirt at {uri} cannot be reached: {why}",
            "start that libvirt, or correct libvirt_uri; without it and --system, a new lab has a libvirt of its own",
        )


def on_this_host(uri: str) -> bool:
    """Whether the libvirt at `uri` is QEMU's of this machine, reached by a socket."""
    parts = urlsplit(uri)
    return not parts.netloc and parts.scheme in ("qemu", "qemu+unix")


def sees_this_tree(uri: str) -> bool:
    """Whether its daemon has the same files under the same names as this process, as far as the URI tells.

    One behind a socket of its own may be in another mount namespace.
    """
    parts = urlsplit(uri)
    return on_this_host(uri) and not parts.query


def program_check(uri: str, stack: str, settings: str) -> None:
    """Raise a LabError when the libvirt at `uri` is one of this machine and does not answer.

    For plain `pulumi`, whose provider would only name a socket; `settings` is the file with the stack's settings. One
    on another host is left to the provider, which takes other options in its URI than virsh does, and so is every
    one where there is no virsh.
    """
    if not on_this_host(uri) or shutil.which("virsh") is None:
        return
    if why := unreachable(uri):
        raise LabError(
            f"libvirt_uri: the libvirt at {uri} cannot be reached: {why}",
            f"./lab up {stack} starts one of the lab's own, and `./lab run --stack {stack} -- pulumi …` works with it; "
            f"or start this one, or name another by libvirt_uri in {settings} or by LIBVIRT_DEFAULT_URI",
        )
