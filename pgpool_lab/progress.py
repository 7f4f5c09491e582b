"""Long steps: announced, timed, logged, and ended with their children when the user interrupts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rich.console import Console

from pgpool_lab.errors import LabError

console = Console(stderr=True, highlight=False)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announce a step and print how long it took, in seconds, when it is done."""
    started = time.monotonic()
    live = console.is_terminal
    if live:
        with console.status(title):
            yield
    else:
        console.print(f"· {title} …")
        yield
    console.print(f"✓ {title} ({time.monotonic() - started:.0f} s)")


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


WITH_ITS_PARENT = ("setpriv", "--pdeathsig", "TERM", "--")
"""Before a command that is to end when who started it was killed (setpriv(1), of the util-linux that Debian always
has)."""


def run(
    command: Sequence[str | Path],
    *,
    title: str,
    log: Path,
    remedy: str = "",
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run one long command with its output in `log`.

    The command gets a process group of its own, which is ended when this process is interrupted, so that nothing
    goes on in the background; when this process is killed, the kernel tells the command, though not what that has
    started, to end. Raises LabError with the log's last lines when the command fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with step(title), log.open("ab") as output:
        program = str(command[0])
        doctor = "./lab doctor names what this machine lacks, and the command that installs it"
        if shutil.which(program, path=(environment or os.environ).get("PATH")) is None:
            raise LabError(f"{title}: cannot run {program}: it is not there", remedy or doctor)
        try:
            process = subprocess.Popen(
                [*WITH_ITS_PARENT, *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=dict(environment) if environment is not None else None,
                start_new_session=True,
            )
        except OSError as error:
            raise LabError(f"{title}: cannot run {program}: {error.strerror}", remedy or doctor) from error
        try:
            code = process.wait()
        except BaseException:
            end_group(process)
            raise
    if code != 0:
        raise LabError(
            f"{title} failed (exit code {code}); the end of {log}:\n{tail(log)}",
            remedy or f"read {log}, then repeat",
        )


def foreground(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    output: IO[bytes] | None = None,
) -> int:
    """Run a program that shares this terminal, and give its exit code; its input is empty.

    Ctrl-C reaches it as it reaches this process: it is given the time to end what it has under way.
    """
    process = subprocess.Popen(
        list(command),
        env=dict(environment) if environment is not None else None,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
    )
    interrupted: KeyboardInterrupt | None = None
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt as error:
            interrupted = error
            if isinstance(error, Terminated):
                process.send_signal(signal.SIGINT)
    if interrupted is not None:
        raise interrupted
    return code


class Terminated(KeyboardInterrupt):
    """This process alone was asked to end: what it runs was told nothing."""


def end_when_told() -> None:
    """Let a signal that would end this process at once end it as Ctrl-C does, with what it has begun."""

    def end(number: int, frame: object) -> None:
        raise Terminated

    for sign in (signal.SIGTERM, signal.SIGHUP):
        # Under nohup it stays ignored.
        if signal.getsignal(sign) is signal.SIG_DFL:
            signal.signal(sign, end)


def end_group(process: subprocess.Popen[bytes], grace: float = 5.0) -> None:
    """End a process group that was started by `run`: politely, then for good after `grace` seconds."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            return
        try:
            process.wait(timeout=grace)
            return
        except subprocess.TimeoutExpired:
            continue


def fail(error: LabError) -> int:
    """Print an error as a user should see it; returns the exit code."""
    print(f"error: {error.problem}", file=sys.stderr)
    if error.remedy:
        print(f"  next: {error.remedy}", file=sys.stderr)
    return 1
