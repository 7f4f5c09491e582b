"""The versions that fit together (checked as a set); `pyproject.toml` pins the same ones for the Python packages."""

from __future__ import annotations

import re

PULUMI = "3.250.0"
PLUGINS = {"command": "1.2.1", "libvirt": "0.5.4"}

Version = tuple[int, ...]


def parse(text: str) -> Version | None:
    """The first dotted number in a text such as `v3.250.0` or `go1.26.6`, or None."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(part) for part in found[0].split(".")) if found else None


def fits_pulumi(version: Version | None) -> bool:
    """Whether a CLI of this version can run the program: the same major version, and not older."""
    wanted = parse(PULUMI)
    return version is not None and wanted is not None and version[0] == wanted[0] and version >= wanted
