"""A toolchain that the user already has: the CLI on PATH, the plugins in Pulumi's own plugin folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pgpool_lab.toolchain import versions


@dataclass(frozen=True)
class Installed:
    """What was found. `missing` names, as a user would, what doesn't fit; empty when everything does."""

    bin: Path | None
    plugin_home: Path
    missing: tuple[str, ...]


def find() -> Installed:
    """Look for a CLI and plugins that fit; runs `pulumi version`, which takes a fraction of a second."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    missing = [
        f"the {name} plugin {version} in {home / 'plugins'}"
        for name, version in versions.PLUGINS.items()
        if not (home / "plugins" / f"resource-{name}-v{version}" / f"pulumi-resource-{name}").exists()
    ]
    cli = shutil.which("pulumi")
    if cli is None:
        missing.insert(0, f"pulumi {versions.PULUMI} or later on PATH")
    elif not versions.fits_pulumi(found := _version(cli)):
        shown = ".".join(map(str, found)) if found else "of an unknown version"
        missing.insert(0, f"pulumi {versions.PULUMI} or later (PATH has {cli}, {shown})")
    elif shutil.which("pulumi-language-python") is None:
        missing.insert(0, "pulumi-language-python on PATH")
    return Installed(Path(cli).parent if cli else None, home, tuple(missing))


def _version(cli: str) -> versions.Version | None:
    """What the CLI says of itself; it writes a log below its home, so it is given one that goes away."""
    with tempfile.TemporaryDirectory(prefix="pulumi-") as home:
        try:
            answer = subprocess.run(
                [cli, "version"],
                capture_output=True,
                text=True,
                timeout=10,
                env={**os.environ, "PULUMI_HOME": home, "PULUMI_SKIP_UPDATE_CHECK": "true"},
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
    return versions.parse(answer.stdout)
