"""Which addresses this machine has, and taking one away."""

from __future__ import annotations

import array
import errno
import fcntl
import socket
import struct
from contextlib import suppress

SIOCGIFCONF, SIOCSIFFLAGS = 0x8912, 0x8914
"""netdevice(7)."""
REQUEST_BYTES = 40
"""sizeof(struct ifreq) on a 64-bit machine: 16 of a name, then a socket address with its own four from the fifth on."""


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


def remove_address(address: str) -> bool:
    """Take away an address that was added under a label of its own (`eth0:0`), as lab-vip does; whether it was there.

    At once: a shell and `ip` take seconds of an emulated processor that is busy. It takes CAP_NET_ADMIN.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for label, found in labelled(control):
            if found == address and ":" in label:
                # An interface is switched off by that, of a label only its address goes (net/ipv4/devinet.c).
                with suppress(OSError):
                    # A script may have taken it away meanwhile.
                    fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", label.encode(), 0))
                return True
    return False


def labelled(control: socket.socket) -> list[tuple[str, str]]:
    """Labels and addresses of this machine; an address without a label of its own has its interface's name."""
    found = array.array("B", bytes(REQUEST_BYTES * 64))
    place, length = found.buffer_info()
    told = fcntl.ioctl(control, SIOCGIFCONF, struct.pack("iP", length, place))
    used: int = struct.unpack("iP", told)[0]
    entries = [found[start : start + REQUEST_BYTES].tobytes() for start in range(0, used, REQUEST_BYTES)]
    return [(entry[:16].rstrip(b"\0").decode(), socket.inet_ntoa(entry[20:24])) for entry in entries]
