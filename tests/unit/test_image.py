"""The base image: where its packages come from, pgpool's tarball, and the hash that names it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from grp import getgrgid
from pathlib import Path
from pwd import getpwuid

import pytest

from pgpool_lab import given
from pgpool_lab.errors import LabError
from pgpool_lab.image import binaries, builder, recipe, source, tarball
from pgpool_lab.image.recipe import ImageRecipe
from pgpool_lab.image.sources import debian_sources
from pgpool_lab.paths import PROJECT
from pgpool_lab.settings import from_mapping, from_stack_file
from pgpool_lab.versions import pgpool

DEB822 = """\
# The distribution's own.
Types: deb
URIs: http://mirror.example.org/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example.org/debian-security
Suites: bookworm-security
Components: main
"""
FOREIGN = """\
Types: deb
URIs: https://download.docker.com/linux/debian
Suites: bookworm
Components: stable

Types: deb
URIs: http://mirror.example.org/debian
Suites: trixie
Components: main
"""


@pytest.fixture
def apt(tmp_path: Path) -> Path:
    """An empty /etc/apt."""
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def stanzas(text: str) -> list[dict[str, str]]:
    """deb822 stanzas as fields."""
    return [
        {name: value.strip() for name, _, value in (line.partition(":") for line in stanza.splitlines())}
        for stanza in text.strip().split("\n\n")
    ]


@pytest.mark.parametrize("kind", ["deb", "deb-src"])
def test_deb822_entries_are_taken_over_with_their_key(apt: Path, kind: str) -> None:
    (apt / "sources.list.d" / "debian.sources").write_text(DEB822)
    assert stanzas(debian_sources("debian12", kind, apt)) == [
        {
            "Types": kind,
            "URIs": "http://mirror.example.org/debian",
            "Suites": "bookworm bookworm-updates",
            "Components": "main",
            "Signed-By": "/usr/share/keyrings/debian-archive-keyring.gpg",
        },
        {
            "Types": kind,
            "URIs": "http://mirror.example.org/debian-security",
            "Suites": "bookworm-security",
            "Components": "main",
        },
    ]


ONE_LINE: dict[str, tuple[str, list[dict[str, str]]]] = {
    "plain": (
        "deb http://mirror.example.org/debian bookworm main contrib",
        [
            {
                "Types": "deb",
                "URIs": "http://mirror.example.org/debian",
                "Suites": "bookworm",
                "Components": "main contrib",
            }
        ],
    ),
    "with a key": (
        "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example.org/debian bookworm main # a comment",
        [
            {
                "Types": "deb",
                "URIs": "http://mirror.example.org/debian",
                "Suites": "bookworm",
                "Components": "main",
                "Signed-By": "/k.gpg",
            }
        ],
    ),
    "one word in brackets": (
        "deb [trusted=yes] http://mirror/debian bookworm-updates main",
        [{"Types": "deb", "URIs": "http://mirror/debian", "Suites": "bookworm-updates", "Components": "main"}],
    ),
}


@pytest.mark.parametrize("file", ["sources.list", "sources.list.d/debian.list"])
@pytest.mark.parametrize(("line", "expected"), ONE_LINE.values(), ids=ONE_LINE.keys())
def test_one_line_entries_become_stanzas(apt: Path, file: str, line: str, expected: list[dict[str, str]]) -> None:
    (apt / file).write_text(f"# deb http://old/debian bookworm main\n\n{line}\n")
    assert stanzas(debian_sources("debian12", "deb", apt)) == expected


def test_other_repositories_and_releases_are_left_out(apt: Path) -> None:
    (apt / "sources.list.d" / "debian.sources").write_text(DEB822)
    before = debian_sources("debian12", "deb", apt)
    (apt / "sources.list.d" / "foreign.sources").write_text(FOREIGN)
    (apt / "sources.list").write_text(
        "deb https://packages.microsoft.com/repos/code bookworm stable\n"
        "deb http://mirror.example.org/debian trixie main\n"
        "deb-src http://mirror.example.org/debian bookworm main\n"
        "deb http://incomplete bookworm\n"
    )
    assert debian_sources("debian12", "deb", apt) == before


def test_a_machine_without_debian_sources_is_told_what_to_add(apt: Path) -> None:
    (apt / "sources.list.d" / "foreign.sources").write_text(FOREIGN)
    with pytest.raises(LabError) as raised:
        debian_sources("debian12", "deb", apt)
    assert "bookworm" in raised.value.problem
    assert f"{apt}/sources.list.d" in raised.value.remedy


# The tarball


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pgpool.tar.gz"
    path.write_bytes(b"a tarball")
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_relative_path_is_the_checkout_s_wherever_the_command_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = ImageRecipe(pgpool_source="path:README.md")
    known = wanted.content_hash()
    monkeypatch.chdir(tmp_path)
    builder.check(wanted)
    assert wanted.content_hash() == known
    assert tarball.obtain(wanted, tmp_path, tmp_path / "log") == PROJECT / "README.md"
    settings = from_stack_file(PROJECT / "stacks" / "Pulumi.procedure.yaml")
    assert {file.path.parent for file in given.given(settings)} == {PROJECT / "files"}


@pytest.mark.parametrize("key", ["pgpool", "postgresql"])
def test_a_missing_file_is_refused_by_its_key(key: str, tmp_path: Path) -> None:
    with pytest.raises(LabError) as raised:
        builder.check(ImageRecipe(**{f"{key}_source": f"path:{tmp_path}/none.tar.gz"}))
    assert raised.value.problem == f"{key}.source: {tmp_path}/none.tar.gz does not exist"
    assert raised.value.remedy


@pytest.mark.parametrize("key", ["pgpool", "postgresql"])
def test_a_wrong_checksum_is_refused_by_its_key(key: str, file: Path) -> None:
    with pytest.raises(LabError) as raised:
        builder.check(ImageRecipe(**{f"{key}_source": f"path:{file}", f"{key}_sha256": "0" * 64}))
    assert raised.value.problem == f"{key}.sha256: {file} has checksum {sha256(file)}, not {'0' * 64}"
    assert f"{key}.sha256" in raised.value.remedy


@pytest.mark.parametrize("checked", [True, False])
def test_a_tarball_by_path_is_used_where_it_lies(file: Path, tmp_path: Path, checked: bool) -> None:
    wanted = ImageRecipe(pgpool_source=f"path:{file}", pgpool_sha256=sha256(file) if checked else None)
    assert tarball.obtain(wanted, tmp_path / "unused", tmp_path / "log") == file


def downloads(monkeypatch: pytest.MonkeyPatch, effect: Callable[[list[object]], object]) -> list[list[object]]:
    """Replace running programs by an effect; the commands that were run."""
    commands: list[list[object]] = []

    def run(command: list[object], **options: object) -> None:
        commands.append(command)
        effect(command)

    monkeypatch.setattr(tarball, "run", run)
    monkeypatch.setattr(source, "run", run)
    return commands


def test_a_download_is_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commands = downloads(monkeypatch, lambda command: (tmp_path / "pgpool.download").write_bytes(b"other"))
    wanted = ImageRecipe(pgpool_source="url:https://host/p.tar.gz", pgpool_sha256=hashlib.sha256(b"other").hexdigest())
    assert tarball.obtain(wanted, tmp_path, tmp_path / "log").read_bytes() == b"other"
    assert commands[0][-1] == "https://host/p.tar.gz"
    with pytest.raises(LabError, match=r"pgpool\.sha256"):
        tarball.obtain(replace(wanted, pgpool_sha256="0" * 64), tmp_path, tmp_path / "log")


# An archive of binaries


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """A tar file in the way that vendors pack theirs: everything in a folder of its name."""
    root = tmp_path / "vendor" / "pgsql"
    for name in ("bin/postgres", "bin/initdb", "bin/pg_ctl", "lib/libpq.so.5", "share/postgres.bki", "doc/index.html"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("#!/bin/sh\n")
        (root / name).chmod(0o755 if name.startswith("bin/") else 0o644)
    archive = tmp_path / "postgresql.txz"
    with tarfile.open(archive, "w:xz") as tar:
        tar.add(root, "pgsql")
    return archive


def jar(archive: Path) -> Path:
    """The tar file inside a jar file, as Maven repositories have it."""
    path = archive.with_suffix(".jar")
    with zipfile.ZipFile(path, "w") as outer:
        outer.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
        outer.write(archive, archive.name)
    return path


def packed(archive: Path, folder: Path) -> dict[str, int]:
    """Names and modes of the files that come out of an archive given by path."""
    folder.mkdir()
    out = binaries.obtain(ImageRecipe(postgresql_source=f"path:{archive}"), folder, folder / "log")
    assert out is not None
    with tarfile.open(out) as tar:
        return {member.name: member.mode for member in tar.getmembers() if member.isfile()}


@pytest.mark.parametrize("wrapped", [False, True], ids=["tar", "tar in a jar"])
def test_only_programs_libraries_and_shared_files_of_an_archive_are_kept(
    wrapped: bool, collection: Path, tmp_path: Path
) -> None:
    found = packed(jar(collection) if wrapped else collection, tmp_path / "folder")
    assert sorted(found) == ["bin/initdb", "bin/pg_ctl", "bin/postgres", "lib/libpq.so.5", "share/postgres.bki"]
    assert found["bin/postgres"] == 0o755


def test_programs_of_a_zip_file_can_be_executed(collection: Path, tmp_path: Path) -> None:
    archive = tmp_path / "postgresql.zip"
    with zipfile.ZipFile(archive, "w") as outer, tarfile.open(collection) as inner:
        for member in inner.getmembers():
            if content := inner.extractfile(member):
                outer.writestr(member.name, content.read())
    assert packed(archive, tmp_path / "folder")["bin/postgres"] & 0o111


def test_a_damaged_zip_file_is_told_of(tmp_path: Path) -> None:
    archive = tmp_path / "postgresql.zip"
    with zipfile.ZipFile(archive, "w") as outer:
        outer.writestr("bin/postgres", b"program" * 100)
    archive.write_bytes(archive.read_bytes().replace(b"programprogram", b"prog_amprogram", 1))
    with pytest.raises(LabError, match=r"postgresql.source: .*postgresql.zip cannot be unpacked"):
        packed(archive, tmp_path / "folder")


def test_without_an_archive_there_is_nothing_to_unpack(tmp_path: Path) -> None:
    assert binaries.obtain(ImageRecipe(), tmp_path, tmp_path / "log") is None
    assert "postgresql-15" in ImageRecipe().packages()
    assert "POSTGRESQL_PREFIX" not in ImageRecipe().environment()


def test_beside_an_archive_the_distribution_s_clients_are_installed(collection: Path) -> None:
    wanted = ImageRecipe(postgresql_version="9.6", postgresql_source=f"path:{collection}")
    assert {"postgresql-client-15", "postgresql-common"} <= set(wanted.packages())
    assert "postgresql-15" not in wanted.packages()


def test_an_archive_without_a_server_is_refused_by_its_key(file: Path, collection: Path, tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"postgresql\.source: .*pgpool\.tar\.gz is neither a tar nor a zip file"):
        packed(file, tmp_path / "no archive")
    (tmp_path / "vendor" / "pgsql" / "bin" / "initdb").unlink()
    with tarfile.open(collection, "w:xz") as tar:
        tar.add(tmp_path / "vendor" / "pgsql", "pgsql")
    with pytest.raises(LabError, match=r"postgresql\.source: the archive holds no bin/ with postgres, initdb, pg_ctl"):
        packed(collection, tmp_path / "no initdb")


def test_coordinates_are_fetched_with_maven(monkeypatch: pytest.MonkeyPatch, collection: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    def effect(command: list[object]) -> None:
        into = Path(str(command[-1]).removeprefix("-DoutputDirectory="))
        into.mkdir()
        shutil.copy(jar(collection), into)

    commands = downloads(monkeypatch, effect)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    wanted = ImageRecipe(postgresql_source="maven:org.example:postgresql:9.6.24")
    assert binaries.obtain(wanted, folder, folder / "log") == folder / "postgresql.tar"
    assert "-Dartifact=org.example:postgresql:9.6.24" in commands[0]
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(LabError, match=r"postgresql\.source: .* there is no mvn on PATH") as raised:
        binaries.obtain(wanted, folder, folder / "log")
    assert "path:FILE" in raised.value.remedy


# The distribution's source package


@pytest.fixture
def no_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with package sources and an empty cache; the folder to download to."""
    monkeypatch.setattr(tarball, "debian_sources", lambda distribution, kind: f"Types: {kind}\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def test_a_version_that_the_distribution_does_not_have_is_refused_by_its_key(
    monkeypatch: pytest.MonkeyPatch, no_sources: Path
) -> None:
    downloads(monkeypatch, lambda command: (no_sources / "pgpool2_4.3.5.orig.tar.gz").touch())
    with pytest.raises(LabError) as raised:
        tarball.obtain(ImageRecipe(pgpool_version="4.5.0"), no_sources, no_sources / "log")
    assert raised.value.problem.startswith("pgpool.version: ")
    assert "pgpool2_4.3.5.orig.tar.gz" in raised.value.problem
    assert "pgpool.source: path:FILE" in raised.value.remedy


def test_the_distribution_s_tarball_is_downloaded_once(monkeypatch: pytest.MonkeyPatch, no_sources: Path) -> None:
    commands = downloads(monkeypatch, lambda command: (no_sources / "pgpool2_4.3.5.orig.tar.gz").touch())
    first = tarball.obtain(ImageRecipe(), no_sources, no_sources / "log")
    count = len(commands)
    assert count == 2
    assert tarball.obtain(ImageRecipe(), no_sources, no_sources / "log") == first
    assert len(commands) == count


# The recipe


def test_a_recipe_survives_its_way_through_the_engine() -> None:
    wanted = ImageRecipe(pgpool_source="path:/it's here.tar.gz", boot="default")
    assert ImageRecipe.from_json(wanted.to_json()) == wanted


def test_the_recipe_is_what_the_settings_ask_for() -> None:
    settings = from_mapping(
        {
            "network": {"cidr": "10.0.0.0/24", "vip": "10.0.0.100"},
            "nodes": [
                {"name": "a", "ip": "10.0.0.11", "mac": "52:54:00:00:00:11"},
                {"name": "b", "ip": "10.0.0.12", "mac": "52:54:00:00:00:12"},
            ],
            "pgpool": {"source": "path:/p.tar.gz", "sha256": "0" * 64},
        },
        "test",
    )
    assert ImageRecipe.of(settings) == ImageRecipe(pgpool_source="path:/p.tar.gz", pgpool_sha256="0" * 64)


@pytest.mark.parametrize(
    "other",
    [
        ImageRecipe(postgresql_version="16"),
        ImageRecipe(pgpool_version="4.3.6"),
        ImageRecipe(pgpool_sha256="0" * 64),
        ImageRecipe(boot="default"),
    ],
    ids=["PostgreSQL", "pgpool", "checksum", "boot"],
)
def test_another_recipe_is_another_image(other: ImageRecipe) -> None:
    assert other.content_hash() != ImageRecipe().content_hash()
    assert builder.image_path(other) != builder.image_path(ImageRecipe())


def test_the_same_recipe_is_the_same_image() -> None:
    assert ImageRecipe().content_hash() == ImageRecipe().content_hash()


def test_another_tarball_under_the_same_path_is_another_image(file: Path) -> None:
    wanted = ImageRecipe(pgpool_source=f"path:{file}")
    hashes = [wanted.content_hash()]
    file.write_bytes(b"another tarball")
    hashes.append(wanted.content_hash())
    file.unlink()
    hashes.append(wanted.content_hash())
    assert len(set(hashes)) == 3


def test_a_changed_script_is_another_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "cloud-init" / "install" / "pgpool.sh"
    script.parent.mkdir(parents=True)
    monkeypatch.setattr(recipe, "PROJECT", tmp_path)
    hashes = set()
    for content in ("make\n", "make install\n"):
        script.write_text(content)
        hashes.add(ImageRecipe().content_hash())
    (script.parent / "another.sh").write_text("true\n")
    hashes.add(ImageRecipe().content_hash())
    assert len(hashes) == 3


def test_another_package_is_another_image(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ImageRecipe().content_hash()
    monkeypatch.setattr(recipe, "PACKAGES", (*recipe.PACKAGES, "strace"))
    assert ImageRecipe().content_hash() != before


def test_an_image_in_the_cache_is_not_built_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(builder, "make", lambda *given: pytest.fail("it was built"))
    path = builder.image_path(ImageRecipe())
    path.parent.mkdir(parents=True)
    path.touch()
    assert builder.build(ImageRecipe()) == path
    assert path.is_relative_to(tmp_path)


def test_a_build_that_fails_leaves_nothing_half_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def make(wanted: ImageRecipe, folder: Path, log: Path) -> Path:
        (folder / "disk.qcow2").touch()
        raise LabError("no room")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(builder, "make", make)
    # A run that was killed could not clean up.
    left = builder.image_path(ImageRecipe()).parent / "building-left" / "root"
    left.mkdir(parents=True)
    with pytest.raises(LabError, match="no room"):
        builder.build(ImageRecipe())
    assert [path.name for path in builder.image_path(ImageRecipe()).parent.iterdir()] == ["lock"]


def test_building_without_root_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match=r"needs root\n.*\./lab up"):
        builder.build(ImageRecipe())


@pytest.mark.parametrize(("version", "flag"), [("3.2.9", "-fcommon"), ("4.1.23", "-fcommon"), ("4.3.5", "")])
def test_an_old_pgpool_is_compiled_with_flags_of_its_own(version: str, flag: str) -> None:
    flags = ImageRecipe(pgpool_version=version).environment()["PGPOOL_CFLAGS"]
    assert flag in flags
    assert bool(flags) == bool(flag)


@pytest.mark.parametrize(("version", "openssl"), [("3.2.9", False), ("4.0.25", True), ("4.3.5", True)])
def test_pgpool_is_built_with_openssl_where_scram_needs_it(version: str, openssl: bool) -> None:
    assert ("--with-openssl" in ImageRecipe(pgpool_version=version).environment()["PGPOOL_CONFIGURE"]) == openssl
    assert ("scram" in pgpool.traits(version).authentication) == openssl


def test_the_install_scripts_are_told_all_that_they_need() -> None:
    archive = ImageRecipe(postgresql_source="maven:group:artifact:9.6.24")
    told = {*archive.environment(), *ImageRecipe().environment()}
    given = {*told, "PGPOOL_TARBALL", "POSTGRESQL_ARCHIVE", "PURGE_BUILD_TOOLS", "NODE_PACKAGES"}
    for name in ("pgpool.sh", "postgresql.sh"):
        script = (PROJECT / "cloud-init" / "install" / name).read_text()
        used = set(re.findall(r"\$\{?([A-Z]+_[A-Z_]+)", script))
        assert used
        assert used <= given


@pytest.mark.parametrize(
    ("version", "distribution", "folder"),
    [("15", "debian12", "/var/lib/postgresql/15/main"), ("9.4", "centos7", "/var/lib/pgsql/9.4/data")],
)
def test_the_folder_of_the_packages_leads_to_the_lab_s_data(
    version: str, distribution: str, folder: str, tmp_path: Path
) -> None:
    recipe = ImageRecipe(distribution=distribution, postgresql_version=version, postgresql_source="project")
    assert recipe.environment()["DATA_LINK"] == folder
    script = (PROJECT / "cloud-init" / "install" / "postgresql.sh").read_text()
    part = "set -e\n" + script[script.index('if [ -n "${DATA_LINK:-}" ]') : script.index("systemctl disable")]
    link, data = tmp_path / "pgsql" / "data", tmp_path / "lab"
    data.mkdir()
    user, group = getpwuid(os.getuid()).pw_name, getgrgid(os.getgid()).gr_name
    part = part.replace("-o postgres -g postgres", f"-o {user} -g {group}")
    link.mkdir(parents=True)
    for _ in range(2):
        environment = {**os.environ, "DATA_LINK": str(link), "DATA_DIRECTORY": str(data)}
        subprocess.run(["bash", "-c", part], check=True, env=environment)
        assert link.is_symlink() and link.resolve() == data
    assert list(data.iterdir()) == []


# A plain image, which stands in for a stock one


def test_a_plain_image_has_nothing_of_the_lab_s() -> None:
    plain = ImageRecipe(boot="plain")
    assert not [name for name in plain.packages() if "postgresql" in name or "libpq" in name]
    assert {"cloud-init", "openssh-server", "cloud-guest-utils", "linux-image-cloud-amd64"} <= set(plain.packages())
    assert builder.SCRIPTS["plain"] == ("disk.sh",)


def test_every_image_s_scripts_are_there() -> None:
    known = {path.name for path in recipe.script_files()}
    assert all(set(scripts) <= known for scripts in builder.SCRIPTS.values())


CONFIGURES = {
    "4.3.5": "PACKAGE_NAME='pgpool-II'\nPACKAGE_VERSION='4.3.5'\n VERSION='4.3.5'\n",
    "3.2.9": "PACKAGE_VERSION=\n PACKAGE=pgpool-II\n VERSION=3.2.9\n",
}


@pytest.mark.parametrize("version", CONFIGURES)
def test_a_tarball_says_which_version_it_holds(version: str, tmp_path: Path) -> None:
    """What cloud-init/install/pgpool.sh looks at before it compiles."""
    (tmp_path / "configure").write_text(CONFIGURES[version])
    script = (PROJECT / "cloud-init" / "install" / "pgpool.sh").read_text()
    begin = script.index("found=$(")
    check = script[begin : script.index("\nfi\n", begin) + 4]

    def said(wanted: str) -> str:
        command = ["bash", "-euo", "pipefail", "-c", f"PGPOOL_VERSION={wanted}\n{check}"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stderr

    assert said(version) == ""
    assert said("4.6.0") == f"pgpool.version: the tarball holds pgpool-II {version}, not 4.6.0\n"
