"""A toolchain, a throwaway backend, a stack for each test, and an ssh server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pgpool_lab.testing import COMMAND_PLUGIN
from pgpool_lab.toolchain import Toolchain, environment, take, versions
from tests.plugin.engine import Resource, Stack
from tests.plugin.pair import Makes, Pair
from tests.plugin.sshd import Sshd

PROGRAM = Path(__file__).parent / "program"


@pytest.fixture(scope="session")
def toolchain(tmp_path_factory: pytest.TempPathFactory) -> Toolchain:
    """The lab's toolchain; with COMMAND_PLUGIN its command plugin is replaced by that file."""
    chosen = take(os.environ.get("LAB_TOOLCHAIN"))
    given = os.environ.get(COMMAND_PLUGIN)
    if not given:
        return chosen
    return with_command_plugin(chosen, Path(given), tmp_path_factory.mktemp("plugin-home"))


def with_command_plugin(toolchain: Toolchain, given: Path, home: Path) -> Toolchain:
    """The toolchain with that file, a binary or an archive of one, as its only plugin, installed in `home`."""
    archive = given
    if not tarfile.is_tarfile(given):
        archive = home / "plugin.tar.gz"
        with tarfile.open(archive, "w:gz") as content:
            content.add(given, "pulumi-resource-command")
    install = ["plugin", "install", "resource", "command", versions.PLUGINS["command"], "--file", str(archive)]
    subprocess.run(
        [toolchain.bin / "pulumi", *install],
        check=True,
        env={**os.environ, "PULUMI_HOME": str(home), "PULUMI_SKIP_UPDATE_CHECK": "true"},
    )
    return replace(toolchain, plugin_home=home)


@pytest.fixture(scope="session")
def engine_environment(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return engine_with(toolchain, tmp_path_factory.mktemp("engine"))


def engine_with(toolchain: Toolchain, folder: Path) -> dict[str, str]:
    """Variables for an engine whose backend and home are in `folder`."""
    (folder / "backend").mkdir()
    (folder / "passphrase").write_text("test")
    return environment(
        toolchain,
        pulumi_home=folder / "home",
        venv_bin=Path(sys.executable).parent,
        backend_url=f"file://{folder / 'backend'}",
        passphrase_file=folder / "passphrase",
    )


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy: the engine writes its salt beside the program."""
    return shutil.copytree(PROGRAM, tmp_path_factory.mktemp("program") / "program")


@pytest.fixture
def stack(program: Path, engine_environment: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest) -> Stack:
    name = re.sub(r"[^a-z]+", "-", request.node.name.lower()).strip("-")
    made = Stack(name, program, tmp_path, engine_environment)
    made.create()
    return made


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    server = Sshd.prepare(tmp_path_factory.mktemp("sshd") / "server")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def closed_sshd(tmp_path: Path) -> Iterator[Sshd]:
    """A second server, which the test starts itself."""
    server = Sshd.prepare(tmp_path / "server")
    yield server
    server.stop()


@pytest.fixture(params=["local", "remote"])
def command(request: pytest.FixtureRequest) -> Makes:
    """Makes commands of one kind after the other: `command("name", create=…)`."""
    return maker(request, request.param)


@pytest.fixture
def both(request: pytest.FixtureRequest, stack: Stack) -> Pair:
    """Makes commands of both kinds at once, which halves the runs of the engine."""
    return Pair(stack, {kind: maker(request, kind) for kind in ("local", "remote")})


def maker(request: pytest.FixtureRequest, kind: str) -> Makes:
    base = {"connection": request.getfixturevalue("sshd").connection()} if kind == "remote" else {}

    def make(name: str, options: dict[str, Any] | None = None, **arguments: Any) -> Resource:
        return Resource(name, f"{kind}.Command", {**base, **arguments}, options or {})

    return make
