"""Which hosts have been silent for long: the isolation service says so, and the failover script reads it."""

from __future__ import annotations

from collections.abc import Collection

from . import notice

FILE = "/run/pgpool-lab-silent"
VALID_SECONDS = 3
"""A list that is older says nothing: the service writes one in every round, which takes a second."""


def say(addresses: Collection[str]) -> None:
    """Write down who is silent now. Where that fails, everybody is asked as long as ever."""
    notice.put_up(FILE, addresses)


def is_silent(address: str) -> bool:
    """Whether a host was silent a moment ago; False as well where nobody says so."""
    return address in (notice.read(FILE, VALID_SECONDS) or ())
