"""The variables under which plain `pulumi` commands work on one lab and touch nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pgpool_lab.errors import LabError

if TYPE_CHECKING:
    from pgpool_lab.toolchain.cached import Toolchain

FOREIGN = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "SSH_AUTH_SOCK")
"""Another Python's settings; and an ssh agent, which the command plugin would ask, and fail where it is gone."""


def environment(
    toolchain: Toolchain,
    *,
    pulumi_home: Path,
    venv_bin: Path,
    backend_url: str,
    passphrase_file: Path,
    config_file: Path | None = None,
) -> dict[str, str]:
    """The whole environment for a command: this process's own, without any other Pulumi's variables, plus the lab's.

    `pulumi_home` is the lab's own folder for what the CLI remembers (selected stack, credentials, logs); it is made
    when it isn't there, and its `plugins` is a link to the toolchain's, which all labs share. The user's `~/.pulumi`
    is never written.

    `backend_url` must be absolute (`file:///…`). PULUMI_CONFIG_PASSPHRASE would win over the file, so it goes.

    `config_file` is a copy of the stack's settings outside the project's tree (see `ensure_stack`):
    PULUMI_OPTION_CONFIG_FILE is `--config-file` for every command that has it (up, preview, refresh, destroy, config,
    import, watch), so the engine writes its `encryptionsalt` into the copy; and since the salt is in the state too,
    PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER lets a fresh copy go without. PULUMI_OPTION_PRESERVE_CONFIG keeps
    `pulumi stack rm` from deleting the settings. (All three: CLI 3.250.0, cmd/pulumi.)
    """
    _link_plugins(toolchain.plugin_home / "plugins", pulumi_home)
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("PULUMI_") and name not in FOREIGN
    }
    variables = {
        "PATH": os.pathsep.join([str(venv_bin), str(toolchain.bin), os.environ.get("PATH", os.defpath)]),
        "PULUMI_HOME": str(pulumi_home),
        "PULUMI_BACKEND_URL": backend_url,
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase_file),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        "PULUMI_OPTION_PRESERVE_CONFIG": "true",
    }
    if config_file is not None:
        variables["PULUMI_OPTION_CONFIG_FILE"] = str(config_file)
    return inherited | variables


def _link_plugins(plugins: Path, pulumi_home: Path) -> None:
    """Make `pulumi_home/plugins` a link to the shared folder: the CLI follows this link, but no link inside it."""
    link = pulumi_home / "plugins"
    pulumi_home.mkdir(parents=True, exist_ok=True)
    if link.is_symlink():
        if link.readlink() == plugins:
            return
        link.unlink()
    elif link.exists():
        raise LabError(f"{link} is a folder of its own", f"remove it: it must be a link to {plugins}")
    link.symlink_to(plugins)
