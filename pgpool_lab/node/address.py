"""Which addresses this machine has."""

from __future__ import annotations

import errno
import socket


def has_address(address: str) -> bool:
    """Whether this machine has an IPv4 address: only then can a socket be bound to it (ip(7), EADDRNOTAVAIL)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                return False
            raise
    return True
