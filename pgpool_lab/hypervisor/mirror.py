"""Keeps the server of a lab's mirror running in the lab's network: `stop` ends it with everything else there."""

from __future__ import annotations

import select
import subprocess
import sys
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.hypervisor import processes
from pgpool_lab.hypervisor.daemon import exclusively, require_root
from pgpool_lab.hypervisor.namespace import enter
from pgpool_lab.mirror_server import READY
from pgpool_lab.paths import PROJECT, LabPaths
from pgpool_lab.progress import step, tail

MODULE = "pgpool_lab.mirror_server"

START_SECONDS = 60
"""It listens within a second; a starved machine is given longer."""


def command(folder: Path, address: str, port: int) -> list[str]:
    """What serves a folder at an address."""
    return [sys.executable, "-m", MODULE, str(folder), address, str(port)]


def servers(lab: LabPaths) -> dict[int, list[str]]:
    """The words of each server that runs in the lab's network, by its process id."""
    found = {}
    for process in processes.of_lab(lab):
        try:
            words = (processes.PROC / str(process) / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
        except OSError:
            continue
        if MODULE in words:
            found[process] = words
    return found


def serves(process: int, folder: Path) -> bool:
    """Whether a server's root is the folder that is there now, and not one of the same name that was removed."""
    try:
        return (processes.PROC / str(process) / "root").samefile(folder)
    except OSError:
        return False


def serve(lab: LabPaths, folder: Path, address: str, port: int) -> None:
    """Start the server where it does not run yet; one of another folder or address is ended.

    The lab's namespace must be there; the address need not be. Raises LabError when it does not listen within
    START_SECONDS.
    """
    require_root()
    wanted = command(folder, address, port)
    log = lab.logs / "mirror.log"
    with exclusively(lab):
        running = servers(lab)
        current = [process for process, words in running.items() if words == wanted and serves(process, folder)]
        processes.end([process for process in running if process not in current])
        if current:
            return
        log.parent.mkdir(parents=True, exist_ok=True)
        with step("Starting the server of the lab's mirror"), log.open("ab") as output:
            process = subprocess.Popen(
                [*enter(lab), *wanted],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
                cwd=PROJECT,
                # A session of its own: Ctrl-C or the end of the terminal is not for the server.
                start_new_session=True,
            )
            assert process.stdout is not None
            said = select.select([process.stdout], [], [], START_SECONDS)[0] and process.stdout.readline()
            process.stdout.close()
            if not said or said.decode().strip() != READY:
                processes.end([process.pid])
                raise LabError(
                    f"image.mirror: its server does not start; the end of {log}:\n{tail(log)}",
                    f"read {log}; ./lab down {lab.stack} ends what else listens at port {port} in the lab's network",
                )
