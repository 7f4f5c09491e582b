"""A node's cloud-init seed as an ISO image with the label that NoCloud looks for."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from pathlib import Path

from pgpool_lab.errors import LabError

FILES = ("user-data", "meta-data", "network-config")
LABEL = "cidata"
"""cloud-init's manual, "NoCloud": a file system of this label holds the files in its root."""


def write(documents: str, folder: Path, name: str) -> Path:
    """Write the seed of the node `name` into `folder`, in place of earlier ones; its path.

    `documents` is a JSON object that has each of FILES. The path tells the content, so that another content is another
    path. Only its owner may read it: the user data hold a private key.
    """
    content = json.loads(documents)
    digest = hashlib.sha256(documents.encode()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = folder / f"{name}-{digest}.iso"
    with tempfile.TemporaryDirectory(dir=folder) as place:
        for file in FILES:
            (Path(place) / file).write_text(content[file])
        image = Path(place) / "seed.iso"
        command = ["mkisofs", "-quiet", "-output", str(image), "-volid", LABEL, "-joliet", "-rock", *FILES]
        try:
            done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise LabError("the program mkisofs is not installed", "apt-get install genisoimage") from None
        if done.returncode != 0:
            raise LabError(f"mkisofs: {done.stderr.strip()}", f"is there room in {folder}?")
        image.chmod(0o600)
        remove(folder, name)
        image.rename(target)
    return target


def remove(folder: Path, name: str) -> None:
    """Remove the node's seeds."""
    for path in folder.glob(f"{name}-*.iso"):
        path.unlink()
