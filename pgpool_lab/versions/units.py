"""A unit in the words of an older systemd, see its NEWS."""

from __future__ import annotations

import re

PRIVILEGED = 231
"""The first release that knows `+`: a command that runs as root whatever the unit's user is."""
APPENDS = 240
"""The first release that knows `append:`: output that goes to the end of a file."""


def adapted(unit: str, systemd: int) -> str:
    """The same unit for a release of systemd; unchanged where that knows every word of it.

    Before, `PermissionsStartOnly=` has all commands but the main one run as root (systemd.service(5) of 219), and a
    shell that the main process takes the place of sends the output to the file, as the unit's user.
    """
    if systemd < PRIVILEGED and re.search(r"^Exec\w+=\+", unit, re.MULTILINE):
        unit = re.sub(r"^(Exec\w+=)\+", r"\1", unit, flags=re.MULTILINE)
        unit = re.sub(r"^(User=.*\n)", r"\1PermissionsStartOnly=yes\n", unit, flags=re.MULTILINE)
    found = re.search(r"^StandardOutput=append:(\S+)\n(StandardError=inherit\n)?", unit, re.MULTILINE)
    if systemd < APPENDS and found:
        unit = unit.replace(found[0], "")
        unit = re.sub(
            r"^ExecStart=(.*)$", rf"ExecStart=/bin/sh -c 'exec \1 >>{found[1]} 2>&1'", unit, flags=re.MULTILINE
        )
    return unit
