"""A bound on how long a client waits for an answer, whatever the server does.

libpq bounds connecting (`connect_timeout`) and dead peers (`tcp_user_timeout`, keepalives), but waits for ever for a
server whose kernel answers while its process doesn't. psycopg2's asynchronous connections could be given up, but they
ignore `connect_timeout`, so a connection string with several hosts would never reach its second one. So connections are
ordinary ones, and one thread shuts down the socket of those that take too long: libpq then sees an end of file.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from psycopg2.extensions import connection as Connection


class Guard:
    """Watches the statements of any number of clients. Safe to use from all of them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._deadlines: dict[socket.socket, float] = {}
        self._closed = False
        self._thread = threading.Thread(target=self._watch, name="guard", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Cut whatever is still waited for, now, and whatever would be from here on."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    @contextmanager
    def limit(self, connection: Connection, seconds: float) -> Iterator[None]:
        """What is done inside fails with psycopg2.OperationalError when it takes longer than `seconds`."""
        # A descriptor of our own: libpq closes its one when it loses the connection, and its number is soon another's.
        with socket.socket(fileno=os.dup(connection.fileno())) as shared:
            with self._changed:
                if self._closed:
                    cut(shared)
                self._deadlines[shared] = time.monotonic() + seconds
                self._changed.notify()
            try:
                yield
            finally:
                with self._changed:
                    self._deadlines.pop(shared, None)

    def _watch(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                late = [shared for shared, deadline in self._deadlines.items() if self._closed or deadline <= now]
                for shared in late:
                    cut(shared)
                    del self._deadlines[shared]
                if self._closed:
                    return
                first = min(self._deadlines.values(), default=None)
                self._changed.wait(None if first is None else first - now)


@contextmanager
def limited(connection: Connection, seconds: float) -> Iterator[None]:
    """`Guard.limit` by a guard of its own."""
    guard = Guard()
    guard.start()
    try:
        with guard.limit(connection, seconds):
            yield
    finally:
        guard.stop()


def cut(shared: socket.socket) -> None:
    """Shut a connection down both ways: who waits on it sees its end."""
    # The server may have ended it already.
    with suppress(OSError):
        shared.shutdown(socket.SHUT_RDWR)
