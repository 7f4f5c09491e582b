"""Where the toolchain comes from: decided, and said, within seconds."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from pgpool_lab.errors import LabError
from pgpool_lab.toolchain import installed
from pgpool_lab.toolchain.installed import Installed

Source = Literal["path", "download", "build"]
SOURCES: tuple[Source, ...] = get_args(Source)
VARIABLE = "LAB_TOOLCHAIN"

INSTALLER = "https://get.pulumi.com/"
PATIENCE = 2.0
"""Seconds that the download site gets for its answer."""


@dataclass(frozen=True)
class Choice:
    """A source and, for the user, the reason why."""

    source: Source
    reason: str


def choose(
    setting: str | None,
    *,
    find: Callable[[], Installed] = installed.find,
    reachable: Callable[[], bool] | None = None,
) -> Choice:
    """Decide from the value of LAB_TOOLCHAIN (None or empty: not set) and from what this machine has.

    Raises LabError for a value that isn't one, and for `path` when PATH has nothing that fits.
    """
    if setting and setting not in SOURCES:
        raise LabError(
            f"{VARIABLE}={setting}: there is no such source of the toolchain",
            f"set {VARIABLE} to one of {', '.join(SOURCES)}, or leave it unset",
        )
    if setting in ("download", "build"):
        return Choice("download" if setting == "download" else "build", f"{VARIABLE}={setting}")
    found = find()
    if not found.missing:
        return Choice("path", f"{found.bin} and {found.plugin_home} have everything")
    lacks = f"this machine lacks {found.missing[0]}"
    if setting == "path":
        raise LabError(
            f"{VARIABLE}=path, but this machine lacks " + "; ".join(found.missing),
            f"install what is missing, or set {VARIABLE} to download or build",
        )
    if (reachable or site_answers)():
        return Choice("download", f"{lacks}, and {INSTALLER} answers")
    return Choice("build", f"{lacks}, and {INSTALLER} does not answer within {PATIENCE:.0f} s")


def site_answers() -> bool:
    """Whether the official installer can be had. Resolving a name knows no time limit, so a thread waits for it."""
    answers: list[bytes] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(INSTALLER, timeout=PATIENCE) as answer:
                answers.append(answer.read(2))
        except (OSError, ValueError):
            return

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    # A portal or a proxy's error page answers too, but not with a script.
    return answers == [b"#!"]
