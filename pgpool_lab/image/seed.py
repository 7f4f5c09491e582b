"""A node's cloud-init seed as an ISO image with the label that NoCloud looks for."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.paths import cache_directory

COPIES = "copies"
"""Name in the documents under which files of the cache are listed."""
DIGEST_LENGTH = 12
"""Hexadecimal digits of the content's hash in a seed's name."""
LABEL = "cidata"
"""cloud-init's manual, "NoCloud": a file system of this label holds the files in its root."""


def write(documents: str, folder: Path, name: str) -> Path:
    """Write the seed of the node `name` into `folder`, in place of earlier ones; its path.

    `documents` is a JSON object of texts by file name: NoCloud's `user-data`, `meta-data` and `network-config`, and
    what else the node needs. COPIES in it holds paths of files, relative to the cache, by the name that they get. The
    path tells the content, so that another content is another path. Only its owner may read it: the user data hold a
    private key.
    Raises LabError where a file to be copied is missing.
    """
    texts = json.loads(documents)
    copies: dict[str, str] = texts.pop(COPIES, {})
    digest = hashlib.sha256(documents.encode()).hexdigest()[:DIGEST_LENGTH]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = folder / f"{name}-{digest}.iso"
    with tempfile.TemporaryDirectory(dir=folder) as place:
        for file, text in texts.items():
            # The file system of the image keeps the modes, and the host key is in one of them.
            descriptor = os.open(Path(place) / file, os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "w") as stream:
                stream.write(text)
        for file, relative in copies.items():
            path = cache_directory() / relative
            try:
                shutil.copy(path, Path(place) / file)
            except OSError as error:
                raise LabError(f"{path}: {error.strerror}", "run ./lab up, which fetches it") from None
        image = Path(place) / "seed.iso"
        names = sorted([*texts, *copies])
        command = ["mkisofs", "-quiet", "-output", str(image), "-volid", LABEL, "-joliet", "-rock", *names]
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
    """Remove the node's seeds, not those of one whose name begins with its own."""
    for path in folder.glob(f"{name}-{DIGEST_LENGTH * '[0-9a-f]'}.iso"):
        path.unlink()
