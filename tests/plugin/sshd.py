"""An ssh server of the test's own on the loopback interface."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIGURATION = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {host_key}
AuthorizedKeysFile {authorized}
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
AcceptEnv TEST_ACCEPTED
Subsystem sftp internal-sftp
"""


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
    """Keys, configuration and, once started, the server's process."""

    folder: Path
    port: int
    host_key: str
    private_key: str
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def prepare(cls, folder: Path) -> Sshd:
        folder.mkdir()
        host_key = make_key(folder / "host")
        (folder / "authorized").write_text(make_key(folder / "user") + "\n")
        port = free_port()
        (folder / "config").write_text(
            CONFIGURATION.format(port=port, host_key=folder / "host", authorized=folder / "authorized")
        )
        return cls(folder, port, host_key, (folder / "user").read_text())

    def start(self) -> None:
        """Start the server; returns when it listens."""
        server = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        assert server, "the tests need sshd (openssh-server)"
        if os.geteuid() == 0:
            # sshd wants its privilege separation folder, which no init system made in a container.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [server, "-D", "-e", "-f", self.folder / "config"], stdin=subprocess.DEVNULL, stderr=log
            )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()

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
