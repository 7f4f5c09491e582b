"""A stack in the lab's backend, made without a trace in the project's tree."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pgpool_lab.errors import LabError


def ensure_stack(
    stack: str, *, project: str, settings: Path, config_file: Path, environment: Mapping[str, str]
) -> None:
    """Make the stack unless it is there, and refresh `config_file`, the copy of `settings` that the engine uses.

    `pulumi stack init` knows no `--config-file` and writes the new stack's salt beside the `Pulumi.yaml` that it
    finds: so it is given a throwaway one of the same name. Call this before each use of the stack, so that the copy is
    never older than the settings. Where those are gone the last copy stays: a lab whose file was removed or renamed
    can still be looked at and removed. Raises LabError when there is neither, or the engine refuses.
    """
    with tempfile.TemporaryDirectory(prefix="stack-") as folder:
        (Path(folder) / "Pulumi.yaml").write_text(f"name: {project}\nruntime: python\n")
        answer = subprocess.run(
            ["pulumi", "stack", "select", "--create", "--non-interactive", stack],
            cwd=folder,
            env=dict(environment),
            capture_output=True,
            text=True,
        )
    if answer.returncode != 0:
        raise LabError(
            f"cannot open the stack {stack} in {environment['PULUMI_BACKEND_URL']}:\n{answer.stderr.strip()}",
            "see what is in the backend's folder; `./lab down` and removing it starts afresh",
        )
    config_file.parent.mkdir(parents=True, exist_ok=True)
    if settings.is_file():
        shutil.copyfile(settings, config_file)
    elif not config_file.is_file():
        raise LabError(f"the settings of the stack {stack}, {settings}, are gone", "restore that file")
