"""What the isolation service writes down for any account to read, and for how long it is believed.

Start-up time counts where it is read, on emulated processors: the standard library's heavy parts are not imported.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress


def put_up(file: str, words: Iterable[str]) -> None:
    """Write words down, with the moment: they are there whole or not at all."""
    # The clock is the same in every process of the host, and nobody sets it.
    line = " ".join([str(time.monotonic()), *words])
    # A file system that is full has no room for it: then nothing is said.
    with suppress(OSError):
        with open(f"{file}.new", "w") as stream:  # noqa: PTH123 -- pathlib costs start-up time
            stream.write(line)
        os.replace(f"{file}.new", file)  # noqa: PTH105 -- the same


def read(file: str, seconds: float) -> list[str] | None:
    """The words, if they are no older than so many seconds; None as well where there are none."""
    try:
        with open(file) as stream:  # noqa: PTH123 -- pathlib costs start-up time
            moment, *words = stream.read().split()
        return words if time.monotonic() - float(moment) <= seconds else None
    except (OSError, ValueError):
        return None
