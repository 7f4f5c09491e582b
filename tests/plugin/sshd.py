"""An ssh server of the test's own on the loopback interface."""

from __future__ import annotations

import getpass
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVER = Path(__file__).with_name("ssh_server.py")


def make_key(path: Path) -> str:
    """A new key pair at `path`; returns the public half."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path.with_suffix(".pub").read_text().strip()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Sshd:
    """Keys, a port and, once started, the server's process."""

    folder: Path
    port: int
    host_key: str
    private_key: str
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def prepare(cls, folder: Path) -> Sshd:
        folder.mkdir()
        host_key = make_key(folder / "host")
        make_key(folder / "user")
        return cls(folder, free_port(), host_key, (folder / "user").read_text())

    def start(self) -> None:
        """Start the server; returns when it listens."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, SERVER, str(self.port), self.folder / "host", self.folder / "user.pub"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        assert self.process.stdout.readline(), (self.folder / "log").read_text()

    def stop(self) -> None:
        if self.process is not None:
            with self.process:
                self.process.terminate()

    def connection(self, **changes: Any) -> dict[str, Any]:
        """Arguments of a connection to this server."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": getpass.getuser(),
            "private_key": self.private_key,
            "host_key": self.host_key,
            **changes,
        }
