"""Serves one folder over HTTP, read-only: python -m pgpool_lab.mirror_server FOLDER ADDRESS PORT

Started as root, it makes the folder its root and becomes an account without rights before it answers anybody: a way
out of the folder there is none. Prints READY when it listens.
"""

from __future__ import annotations

import os
import socket
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

READY = "serving"

NOBODY = 65534
"""User and group id without rights on every Linux (kernel documentation, "overflowuid")."""

IP_FREEBIND = 15
"""ip(7): an address may be listened at that does not exist yet. The bridge comes with the update, after this."""


class Server(ThreadingHTTPServer):
    """Listens at an address whether or not it is there yet."""

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Not the base class's, which asks for the address's name: there are no name servers here.
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.socket.getsockname()[:2]


class Handler(SimpleHTTPRequestHandler):
    """Files by their paths; its messages go to the standard error, which is the log."""

    def address_string(self) -> str:
        return str(self.client_address[0])


def give_up_rights(folder: str) -> None:
    """Make the folder this process's root, and the process nobody's."""
    os.chroot(folder)
    os.chdir("/")
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def main(folder: str, address: str, port: str) -> None:
    with Server((address, int(port)), partial(Handler, directory="/")) as server:
        give_up_rights(folder)
        print(READY, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
