"""This machine's own Debian package sources: the image comes from where the machine's packages come from."""

from __future__ import annotations

from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.versions.distributions import DISTRIBUTIONS

APT = Path("/etc/apt")


def codename(distribution: str) -> str:
    """A distribution's name in package sources. Raises LookupError for one whose image is not built from them."""
    found = DISTRIBUTIONS[distribution].codename
    if found is None:
        raise LookupError(distribution)
    return found


def debian_sources(distribution: str, kind: str, apt: Path = APT) -> str:
    """The machine's entries for a distribution, as one deb822 file; `kind` is `deb` or `deb-src`.

    Entries of other repositories are left out. Raises LabError when the machine has none.
    """
    suite = codename(distribution)
    stanzas = []
    for path in sorted((apt / "sources.list.d").glob("*.sources")):
        for stanza in path.read_text().split("\n\n"):
            fields = [line for line in stanza.splitlines() if line.strip() and not line.startswith("#")]
            if any(line.startswith("Suites:") and suite in line for line in fields) and is_debian(stanza):
                stanzas.append("\n".join(f"Types: {kind}" if line.startswith("Types:") else line for line in fields))
    one_line = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]
    for path in one_line:
        for line in path.read_text().splitlines() if path.is_file() else []:
            entry = from_one_line(line, suite, kind)
            if entry:
                stanzas.append(entry)
    if not stanzas:
        raise LabError(
            f"this machine's apt sources have no Debian {suite}, which the base image is made from",
            f"add a file to {apt}/sources.list.d with Debian {suite}",
        )
    return "\n\n".join(stanzas) + "\n"


def is_debian(text: str) -> bool:
    """Debian's own archives have the components that other repositories for the same release do not have."""
    return "main" in text.split()


def from_one_line(line: str, suite: str, kind: str) -> str | None:
    """One line of a sources.list as a deb822 stanza; None when it is no binary entry of this release."""
    words = line.split("#")[0].split()
    if not words or words[0] != "deb":
        return None
    words = words[1:]
    options = []
    if words and words[0].startswith("["):
        while words:
            options.append(words[0].strip("[]"))
            if words.pop(0).endswith("]"):
                break
    if len(words) < 3 or not words[1].startswith(suite) or not is_debian(line):
        return None
    signed = [f"Signed-By: {value.split('=', 1)[1]}" for value in options if value.startswith("signed-by=")]
    return "\n".join(
        [
            f"Types: {kind}",
            f"URIs: {words[0]}",
            f"Suites: {words[1]}",
            f"Components: {' '.join(words[2:])}",
            *signed,
        ]
    )
