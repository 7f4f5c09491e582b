"""An ssh server on the loopback interface that does what OpenSSH's does: a process for each connection is the parent of
the connection's commands, each command leads a session, and none of them ends because the connection does.

Run as `python ssh_server.py PORT HOST_KEY AUTHORIZED_KEY`; it prints a line once it listens.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pwd
import signal
import socket
import socketserver
import sys
from asyncio.subprocess import PIPE

import asyncssh
from asyncssh.packet import SSHPacket

ACCEPTED_VARIABLES = {b"TEST_ACCEPTED"}
CHUNK = 65536
ACCOUNT = pwd.getpwuid(os.getuid())


class Login(asyncssh.SSHServer):
    """Lets this process's own account in, with one key."""

    def __init__(self, authorized: asyncssh.SSHKey) -> None:
        self.authorized = authorized

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == ACCOUNT.pw_name and key == self.authorized


def refuse_other_variables() -> None:
    """Make asyncssh refuse what `AcceptEnv` doesn't name: it takes every variable, and has no hook for this."""
    take = asyncssh.SSHServerChannel._process_env_request

    def take_accepted(channel: asyncssh.SSHServerChannel[bytes], packet: SSHPacket) -> bool:
        take(channel, packet)
        refused = channel._env.keys() - ACCEPTED_VARIABLES
        for name in refused:
            del channel._env[name]
        return not refused

    asyncssh.SSHServerChannel._process_env_request = take_accepted  # type: ignore[assignment, method-assign]


async def run(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Run the command that a session asks for."""
    assert process.command is not None, "there are no interactive sessions"
    client, server = (process.get_extra_info(side)[:2] for side in ("peername", "sockname"))
    environment = {
        "HOME": ACCOUNT.pw_dir,
        "LOGNAME": ACCOUNT.pw_name,
        "PATH": os.defpath,
        "SHELL": ACCOUNT.pw_shell,
        "SSH_CONNECTION": " ".join(map(str, (*client, *server))),
        "USER": ACCOUNT.pw_name,
        **process.env,
    }
    command = await asyncio.create_subprocess_exec(
        ACCOUNT.pw_shell,
        "-c",
        process.command,
        cwd=ACCOUNT.pw_dir,
        env=environment,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
    )
    assert command.stdin and command.stdout and command.stderr
    feeding = asyncio.create_task(feed(process.stdin, command.stdin))
    await asyncio.gather(copy(command.stdout, process.stdout), copy(command.stderr, process.stderr))
    status = await command.wait()
    feeding.cancel()
    if status < 0:
        process.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))
    else:
        process.exit(status)


async def feed(source: asyncssh.SSHReader[bytes], sink: asyncio.StreamWriter) -> None:
    """Copy the client's input to a command, which need not read it to its end."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        await copy(source, sink)
    sink.close()


async def copy(
    source: asyncio.StreamReader | asyncssh.SSHReader[bytes], sink: asyncio.StreamWriter | asyncssh.SSHWriter[bytes]
) -> None:
    while data := await source.read(CHUNK):
        sink.write(data)
        await sink.drain()


class Listener(socketserver.ForkingTCPServer):
    """Waits for connections."""

    allow_reuse_address = True

    def __init__(self, port: int, host_key: asyncssh.SSHKey, authorized: asyncssh.SSHKey) -> None:
        super().__init__(("127.0.0.1", port), Connection)
        self.host_key = host_key
        self.authorized = authorized


class Connection(socketserver.BaseRequestHandler):
    """One connection, in a process of its own."""

    server: Listener
    request: socket.socket

    def handle(self) -> None:
        self.server.socket.close()
        asyncio.run(self.serve())

    async def serve(self) -> None:
        connection = await asyncssh.run_server(
            self.request,
            server_factory=lambda: Login(self.server.authorized),
            server_host_keys=[self.server.host_key],
            process_factory=run,
            sftp_factory=True,
            encoding=None,
            line_editor=False,
        )
        await connection.wait_closed()
        # Python's own way out would kill the commands that still run.
        os._exit(0)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    refuse_other_variables()
    port, host_key, authorized = sys.argv[1:]
    with Listener(int(port), asyncssh.read_private_key(host_key), asyncssh.read_public_key(authorized)) as listener:
        print("listening", flush=True)
        listener.serve_forever()
