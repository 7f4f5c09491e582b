"""Which hosts have been silent for long: the isolation service says so, and the failover script reads it.

Start-up time counts here, on emulated processors: the standard library's heavy parts are not imported.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from contextlib import suppress

FILE = "/run/pgpool-lab-silent"
VALID_SECONDS = 3
"""A list that is older says nothing: the service writes one in every round, which takes a second."""


def say(addresses: Collection[str]) -> None:
    """Write down who is silent now, for any account to read."""
    # The clock is the same in every process of the host, and nobody sets it.
    line = " ".join([str(time.monotonic()), *addresses])
    # A file system that is full has no room for it: then everybody is asked as long as ever.
    with suppress(OSError):
        with open(f"{FILE}.new", "w") as stream:  # noqa: PTH123 -- pathlib costs start-up time
            stream.write(line)
        os.replace(f"{FILE}.new", FILE)  # noqa: PTH105 -- the same


def is_silent(address: str) -> bool:
    """Whether a host was silent a moment ago; False as well where nobody says so."""
    try:
        with open(FILE) as stream:  # noqa: PTH123 -- pathlib costs start-up time
            moment, *addresses = stream.read().split()
        return address in addresses and time.monotonic() - float(moment) <= VALID_SECONDS
    except (OSError, ValueError):
        return False
