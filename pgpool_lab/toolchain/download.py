"""The published CLI and plugins, by their own installers."""

from __future__ import annotations

import os
import shutil
import urllib.request
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.progress import run
from pgpool_lab.toolchain import versions
from pgpool_lab.toolchain.choice import INSTALLER, VARIABLE

REMEDY = f"try again later, or set {VARIABLE}=build to build from Go modules instead"


def into(target: Path, log: Path) -> None:
    """Install into `target`: `bin/`, and `plugins/` as below a PULUMI_HOME."""
    script = target / "install.sh"
    try:
        with urllib.request.urlopen(INSTALLER, timeout=30) as answer:
            script.write_bytes(answer.read())
    except (OSError, ValueError) as error:
        raise LabError(f"cannot download {INSTALLER}: {error}", REMEDY) from error
    # The installer puts everything below ~/.pulumi and would name that in the user's shell profile.
    home = target / "home"
    home.mkdir()
    run(
        ["sh", script, "--version", versions.PULUMI],
        title=f"download Pulumi {versions.PULUMI}",
        log=log,
        remedy=REMEDY,
        cwd=home,
        environment={**os.environ, "HOME": str(home)},
    )
    (home / ".pulumi" / "bin").rename(target / "bin")
    for name, version in versions.PLUGINS.items():
        run(
            [target / "bin" / "pulumi", "plugin", "install", "resource", name, version],
            title=f"download the {name} plugin {version}",
            log=log,
            remedy=REMEDY,
            environment=plugin_environment(target),
        )
    shutil.rmtree(home)
    script.unlink()


def plugin_environment(target: Path) -> dict[str, str]:
    """Variables under which `pulumi plugin install` writes below `target` and asks nobody for news."""
    return {**os.environ, "PULUMI_HOME": str(target), "PULUMI_SKIP_UPDATE_CHECK": "true"}
