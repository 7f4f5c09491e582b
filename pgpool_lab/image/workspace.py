"""Where an image is made before it is one."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def workspace(parent: Path, prefix: str) -> Iterator[Path]:
    """A folder that is removed with everything in it. What a killed run left is removed first: hold the lock for it."""
    for left in parent.glob(f"{prefix}*"):
        # Something of the host's may still be mounted in it: it is left alone, and the folder with it.
        subprocess.run(["rm", "-rf", "--one-file-system", "--", left], capture_output=True, check=False)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent) as folder:
        yield Path(folder)
