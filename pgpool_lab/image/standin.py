"""What stands in for the internet: a plain image in place of a published one, and a folder of packages.

Both are made on this machine from its own Debian package sources, so that a lab from a stock image can be tried where
neither can be downloaded.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.image import builder, stock
from pgpool_lab.image.recipe import ImageRecipe
from pgpool_lab.image.sources import debian_sources
from pgpool_lab.paths import cache_directory, given_file
from pgpool_lab.progress import run, step
from pgpool_lab.settings import LabSettings
from pgpool_lab.versions import distributions


def plain(settings: LabSettings) -> Path:
    """Make the file that `image.source` names: the distribution with cloud-init, sshd and a boot loader, no more.

    Raises LabError where it names none, or another distribution than the ones that can be built.
    """
    kind, _, where = (settings.image.source or "").partition(":")
    if kind != "path":
        raise LabError("image.source: it names no file to be made", "set it to path:FILE")
    require_built(settings)
    target = given_file(where)
    refuse_other(target, "image.source")
    image = builder.build(ImageRecipe(distribution=settings.image.distribution, boot="plain"))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as place:
        shutil.copy(image, place)
        (Path(place) / image.name).replace(target)
    return target


def refuse_other(target: Path, key: str) -> None:
    """Refuse to write over what may be the user's. Raises LabError."""
    if target.exists():
        raise LabError(f"{key}: {target} is there already", "remove it to have it made anew")


def require_built(settings: LabSettings) -> None:
    """Raises LabError for a distribution whose packages this machine's sources can't have."""
    if settings.image.distribution not in distributions.BUILT:
        raise LabError(
            f"image.distribution: only {', '.join(distributions.BUILT)} can be made from this machine's package "
            f"sources, not {settings.image.distribution}",
            "get the distribution's own image and packages",
        )


def mirror(settings: LabSettings) -> Path:
    """Make the folder that `image.mirror` names: every package that a node installs, with all that these depend on.

    As if nothing were installed: so it fits every image of the distribution that is of the same age or older. Raises
    LabError.
    """
    if settings.image.mirror is None:
        raise LabError("image.mirror: it names no folder to be made", "set it to the path of a folder")
    require_built(settings)
    target = given_file(settings.image.mirror)
    refuse_other(target, "image.mirror")
    target.parent.mkdir(parents=True, exist_ok=True)
    recipe = ImageRecipe.of(settings)
    with tempfile.TemporaryDirectory(dir=target.parent) as place:
        made = download(recipe, Path(place), cache_directory() / "stock" / "mirror.log")
        with step(f"Writing the index of {len(list(made.glob('*.deb')))} packages"):
            (made / "Packages").write_text(index(made))
        publish(made)
        made.rename(target)
    return target


def download(recipe: ImageRecipe, place: Path, log: Path) -> Path:
    """The packages as files in a folder, by an apt that knows of no installed package and of this one source."""
    archives = place / "archives"
    for folder in (archives / "partial", place / "lists" / "partial"):
        folder.mkdir(parents=True)
    sources, status = place / "debian.sources", place / "status"
    sources.write_text(debian_sources(recipe.distribution, "deb"))
    status.touch()
    settings = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": place / "lists",
        "Dir::State::status": status,
        "Dir::Cache::archives": archives,
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "APT::Sandbox::User": "root",
        "APT::Architecture": "amd64",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    run(["apt-get", *options, "update"], title="Reading the packages' index", log=log)
    install = ["install", "--yes", "--download-only", "--no-install-recommends"]
    packages = stock.mirrored_packages(recipe)
    run(["apt-get", *options, *install, *packages], title="Downloading the packages", log=log)
    for left in ("partial", "lock"):
        path = archives / left
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
    return archives


def index(folder: Path) -> str:
    """The `Packages` file of a flat repository: each package's own description, and where and what its file is."""
    return "\n".join(entry(package) for package in sorted(folder.glob("*.deb")))


def entry(package: Path) -> str:
    """A package's stanza (deb822). Raises LabError for a file that is no package."""
    shown = subprocess.run(["dpkg-deb", "--field", package], capture_output=True, text=True, check=False)
    if shown.returncode != 0:
        raise LabError(f"{package}: {shown.stderr.strip()}", "remove it")
    content = package.read_bytes()
    return (
        f"{shown.stdout.rstrip()}\nFilename: ./{package.name}\nSize: {len(content)}\n"
        f"SHA256: {hashlib.sha256(content).hexdigest()}\n"
    )


def publish(folder: Path) -> None:
    """Let the mirror's server, which has no rights of its own, read everything."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
