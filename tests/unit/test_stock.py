"""Stock cloud images: what is refused, what machines are told, and what stands in where nothing can be downloaded."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.node.node import wait_for_installation
from pgpool_lab import given, mirror_server
from pgpool_lab.errors import LabError
from pgpool_lab.hypervisor import mirror
from pgpool_lab.image import base, source, standin, stock
from pgpool_lab.image.cloud_init import NetworkConfig, UserData, render_network_config, render_user_data
from pgpool_lab.image.recipe import ImageRecipe, file_digest
from pgpool_lab.paths import PROJECT, LabPaths
from pgpool_lab.settings import LabSettings, from_mapping, from_stack_file
from pgpool_lab.versions import distributions
from pgpool_lab.versions.distributions import DISTRIBUTIONS, FAMILIES
from tests.unit.test_settings import VALID

STACK_FILE = PROJECT / "stacks" / "Pulumi.stock.yaml"


def qcow2(path: Path, size: int = 2 * 1024**3) -> Path:
    """The head of an image for a disk of so many bytes."""
    path.write_bytes(stock.QCOW2 + (3).to_bytes(4, "big") + bytes(16) + size.to_bytes(8, "big") + bytes(72))
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return qcow2(tmp_path / "image.qcow2")


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder that passes for a mirror of any distribution."""
    folder = tmp_path / "mirror"
    for name in (*[family.index for family in FAMILIES.values()], distributions.PYTHON_ARCHIVE):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    standin.publish(folder)
    return folder


OWN: dict[str, dict[str, Any]] = {
    "debian12": {},
    "ubuntu2204": {"postgresql": {"version": "14"}, "pgpool": {"source": "path:README.md"}},
    "rocky9": {"postgresql": {"source": "project"}, "pgpool": {"source": "path:README.md"}},
    "centos7": {
        "postgresql": {"source": "project", "version": "9.4"},
        "pgpool": {"source": "path:README.md", "version": "3.2.9"},
        "auth": "trust",
    },
}
"""Settings that each distribution can be had with; any file stands for a tarball."""


def settings(image: Path, mirror: Path | None = None, distribution: str = "debian12", **more: Any) -> LabSettings:
    values = {"distribution": distribution, "source": f"path:{image}", **({"mirror": str(mirror)} if mirror else {})}
    return from_mapping({**VALID, **OWN[distribution], **more, "image": values | more.pop("image", {})}, "file")


def told(lab: LabSettings, *, compiles: bool = True) -> dict[str, str]:
    """The variables on a machine's seed, as a shell reads them."""
    recipe = ImageRecipe.of(lab)
    text = stock.installation(recipe, compiles=compiles, mirror=lab.mirror_address).texts["variables"]
    assert all("=" in word for word in shlex.split(text))
    return dict(word.split("=", 1) for word in shlex.split(text))


# What is refused


def test_every_distribution_is_taken_with_its_image_and_mirror(image: Path, packages: Path) -> None:
    for distribution in DISTRIBUTIONS:
        lab = settings(image, packages, distribution)
        given.check(lab, STACK_FILE, private=True)
        base.check(ImageRecipe.of(lab))


def refusal(lab: LabSettings, *, private: bool = True) -> LabError:
    with pytest.raises(LabError) as raised:
        given.check(lab, STACK_FILE, private=private)
    assert raised.value.remedy
    return raised.value


def test_without_a_mirror_the_lab_s_own_network_has_no_packages(image: Path) -> None:
    error = refusal(settings(image))
    assert error.problem.startswith("image.source: its machines install packages")
    assert "image.mirror" in error.remedy and "--system" in error.remedy
    given.check(settings(image), STACK_FILE, private=False)


def test_a_mirror_is_served_by_the_lab_s_own_libvirt_only(image: Path, packages: Path) -> None:
    assert "--system" in refusal(settings(image, packages), private=False).remedy


def test_a_distribution_without_a_living_repository_needs_a_mirror(image: Path) -> None:
    for private in (True, False):
        assert refusal(settings(image, distribution="centos7"), private=private).problem.startswith("image.mirror: ")


MIRRORS = {
    "no folder": ("debian12", "", "is no folder"),
    "no index": ("debian12", "Packages", "has no Packages"),
    "no index of yum's": ("rocky9", "repodata/repomd.xml", "has no repodata/repomd.xml"),
    "no Python": ("centos7", "python.tar.gz", "has no python.tar.gz"),
}


@pytest.mark.parametrize(("distribution", "without", "expected"), MIRRORS.values(), ids=MIRRORS.keys())
def test_a_mirror_that_cannot_serve_is_refused(
    distribution: str, without: str, expected: str, image: Path, packages: Path
) -> None:
    if without:
        (packages / without).unlink()
    else:
        shutil.rmtree(packages)
        packages.touch()
    error = refusal(settings(image, packages, distribution))
    assert error.problem.startswith("image.mirror: ")
    assert expected in error.problem


def test_a_mirror_that_its_server_cannot_read_is_refused(image: Path, packages: Path) -> None:
    (packages / "Packages").chmod(0o600)
    error = refusal(settings(image, packages))
    assert f"{packages}/Packages cannot be read by everybody" in error.problem
    assert error.remedy == f"chmod -R a+rX {packages}"


LINKS: dict[str, tuple[str, bool]] = {
    "to a file beside it": ("Packages", True),
    "to nothing": ("none", False),
    "to itself": ("link", False),
    "out of the folder": ("../image.qcow2", False),
    "out of the folder and back": ("../mirror/Packages", False),
    "by an absolute path": ("{folder}/Packages", False),
}


@pytest.mark.parametrize(("target", "served"), LINKS.values(), ids=LINKS.keys())
def test_a_link_that_the_mirror_s_server_cannot_follow_is_refused(
    target: str, served: bool, image: Path, packages: Path, tmp_path: Path
) -> None:
    (packages / "link").symlink_to(target.format(folder=packages))
    if served:
        given.check(settings(image, packages), STACK_FILE, private=True)
    else:
        error = refusal(settings(image, packages))
        assert error.problem.startswith(f"image.mirror: {packages}/link leads to nothing that is in {packages}")
    (packages / "link").unlink()
    (tmp_path / "other name").symlink_to(packages)
    given.check(settings(image, tmp_path / "other name"), STACK_FILE, private=True)


def image_refusal(lab: LabSettings) -> LabError:
    with pytest.raises(LabError) as raised:
        base.check(ImageRecipe.of(lab))
    assert raised.value.remedy
    return raised.value


def test_an_image_that_cannot_be_used_is_refused_by_its_key(image: Path, tmp_path: Path) -> None:
    wrong = {"source": f"path:{image}", "sha256": "0" * 64}
    lab = from_mapping({**VALID, "image": wrong}, "file")
    assert image_refusal(lab).problem == f"image.sha256: {image} has checksum {file_digest(image)}, not {'0' * 64}"
    assert image_refusal(settings(tmp_path / "none")).problem == f"image.source: {tmp_path}/none does not exist"
    (tmp_path / "image.xz").write_bytes(b"\xfd7zXZ")
    assert "no qcow2 image" in image_refusal(settings(tmp_path / "image.xz")).problem
    large = qcow2(tmp_path / "large.qcow2", stock.ROOT_BYTES + 1)
    assert image_refusal(settings(large)).problem.startswith("image.source: the disk in")


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a mirror of a built image": ({"image": {"mirror": "files"}}, "image: mirror: only machines from a cloud image"),
    "the project's packages in a built image": (
        {"postgresql": {"source": "project"}},
        "postgresql.source: the lab's own image has the distribution's packages",
    ),
    "a version that the family's packages lack": (
        {
            "image": {"distribution": "centos7", "source": "path:i"},
            "postgresql": {"source": "project", "version": "16"},
            "pgpool": {"source": "path:p"},
        },
        "postgresql.version: the PostgreSQL project's packages for centos7 have PostgreSQL 9.4 to 15, not 16",
    ),
    "packages that are not used": (
        {
            "image": {"distribution": "rocky9", "source": "path:i"},
            "postgresql": {"version": "13"},
            "pgpool": {"source": "path:p"},
        },
        "postgresql.version: rocky9's own packages are not used",
    ),
    "an archive without clients": (
        {
            "image": {"distribution": "rocky9", "source": "path:i"},
            "postgresql": {"source": "path:a"},
            "pgpool": {"source": "path:p"},
        },
        "postgresql.source: an archive of programs takes psql",
    ),
}


@pytest.mark.parametrize(("changes", "expected"), BAD.values(), ids=BAD.keys())
def test_settings_that_do_not_go_together_are_refused_by_key(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(LabError) as raised:
        from_mapping({**VALID, **changes}, "file")
    assert expected in raised.value.problem
    assert len(raised.value.problem.splitlines()) == 2, "one mistake, one line"


# What is fetched


def test_an_image_by_address_is_downloaded_once_and_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, image: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    commands: list[list[Any]] = []

    def run(command: list[Any], **options: Any) -> None:
        commands.append(command)
        shutil.copy(image, command[command.index("-o") + 1])

    monkeypatch.setattr(source, "run", run)
    wanted = ImageRecipe(
        image_source="url:https://host/i.qcow2", image_sha256=file_digest(image), pgpool_source=f"path:{image}"
    )
    first = stock.obtain(wanted)
    assert first.is_relative_to(tmp_path / "cache") and first.read_bytes() == image.read_bytes()
    copies = stock.installation(wanted, compiles=True, mirror=None).copies
    assert (tmp_path / "cache" / "pgpool-lab" / copies["PGPOOL_TARBALL"]).is_file()
    assert stock.obtain(wanted) == first
    assert len(commands) == 1
    assert "--max-time" not in commands[0], "a slow way is given the time that an image's size takes"
    assert commands[0][commands[0].index("--speed-time") + 1] == "60"


def test_an_image_by_path_is_used_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, image: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    wanted = ImageRecipe(image_source=f"path:{image}", pgpool_source=f"path:{image}")
    assert base.obtain(wanted) == image


def test_another_image_or_tarball_is_another_machine(image: Path) -> None:
    recipe = ImageRecipe(image_source=f"path:{image}")
    before = recipe.content_hash()
    assert ImageRecipe().content_hash() != before
    qcow2(image, 4 * 1024**3)
    assert recipe.content_hash() != before


# What the machines are told

ARCHIVE = {"POSTGRESQL_PREFIX", "POSTGRESQL_ARCHIVE"}
"""Given only beside an archive of a server's programs."""


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_each_script_is_told_what_it_says_it_needs(distribution: str, image: Path, packages: Path) -> None:
    known = told(settings(image, packages, distribution))
    for step in known["STEPS"].split():
        (script,) = (PROJECT / "cloud-init").glob(f"*/{step}")
        used = set(re.findall(r"\$\{?([A-Z][A-Z_]+[A-Z])\b(?!:)", script.read_text())) - {"PATH", *ARCHIVE}
        assert used <= set(known), step


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_only_the_first_node_compiles(distribution: str, image: Path, packages: Path) -> None:
    lab = settings(image, packages, distribution)
    first, other = told(lab), told(lab, compiles=False)
    assert first["STEPS"].split() == [*other["STEPS"].split(), "pgpool.sh"]
    assert "PGPOOL_TARBALL" in first and "PGPOOL_TARBALL" not in other
    assert first["NODE_PACKAGES"] == other["NODE_PACKAGES"]
    assert not set(first["BUILD_PACKAGES"].split()) & set(first["NODE_PACKAGES"].split())


FAMILY_WORDS: dict[str, dict[str, str]] = {
    "debian12": {
        "INSTALL_PACKAGES": "apt-get install",
        "NODE_PACKAGES": "postgresql-15",
        "RUNTIME_PACKAGES": "libpq5",
        "POSTGRESQL_BIN": "/usr/lib/postgresql/15/bin",
        "REPOSITORY": "deb [trusted=yes] http://10.20.30.1:8080/ ./\n",
        "INTERPRETER": "/usr/bin/python3",
    },
    "rocky9": {
        "INSTALL_PACKAGES": "yum install",
        "NODE_PACKAGES": "python3.11",
        "POSTGRESQL_SERVICE": "postgresql-15.service",
        "REPOSITORY_FILE": "/etc/yum.repos.d/pgpool-lab.repo",
        "INTERPRETER": "/usr/bin/python3.11",
    },
    "centos7": {
        "NODE_PACKAGES": "postgresql94-server postgresql94-contrib",
        "BUILD_PACKAGES": "postgresql94-devel",
        "POSTGRESQL_BIN": "/usr/pgsql-9.4/bin",
        "REPOSITORY": "baseurl=http://10.20.30.1:8080/\nenabled=1\ngpgcheck=0\n",
        "STEPS": "python.sh",
    },
}


@pytest.mark.parametrize("distribution", FAMILY_WORDS)
def test_each_family_has_its_own_words(distribution: str, image: Path, packages: Path) -> None:
    known = told(settings(image, packages, distribution))
    for name, word in FAMILY_WORDS[distribution].items():
        assert word in known[name], name


def test_the_project_s_repository_is_set_up_only_where_its_packages_are_wanted(image: Path) -> None:
    assert told(settings(image))["PROJECT_SETUP"] == ""
    assert "pgdg" in told(settings(image, postgresql={"source": "project"}))["PROJECT_SETUP"]


ARCHIVES = {
    "debian12": "https://apt-archive.postgresql.org/pub/repos/apt $VERSION_CODENAME-pgdg-archive main",
    "ubuntu2204": "https://apt-archive.postgresql.org/pub/repos/apt $VERSION_CODENAME-pgdg-archive main",
    "rocky9": "baseurl=https://yum-archive.postgresql.org/12/redhat/rhel-9-x86_64",
}


@pytest.mark.parametrize("distribution", ARCHIVES)
def test_an_ended_version_comes_from_the_project_s_archive(distribution: str) -> None:
    command = distributions.project_setup(distribution, "12")
    assert ARCHIVES[distribution] in command
    assert "archive.postgresql.org" not in distributions.project_setup(distribution, "16")
    subprocess.run(["bash", "-nc", command], check=True)


def test_the_service_account_is_the_same_on_every_distribution() -> None:
    script = (PROJECT / "cloud-init" / "install" / "postgresql.sh").read_text()
    assert "--home-dir /var/lib/postgresql postgres" in script


def user_data(install: str | None) -> dict[str, Any]:
    values = UserData("node0", (("node0", "192.168.31.133"),), "KEY\n", "public", "operator", install)
    document: dict[str, Any] = yaml.safe_load(render_user_data(values))
    return document


def test_cloud_init_runs_the_installation_on_a_stock_image_only() -> None:
    document, built = user_data(stock.COMMAND), user_data(None)
    assert document["runcmd"] == [stock.COMMAND]
    assert document["ssh_genkeytypes"] == ["ed25519"]
    assert set(document) - set(built) == {"runcmd", "ssh_genkeytypes"}
    files = {entry["path"]: entry["content"] for entry in document["write_files"]}
    assert set(files) - {entry["path"] for entry in built["write_files"]} == {"/etc/ssh/sshd_config"}
    assert "HostKey /etc/ssh/ssh_host_ed25519_key\n" in files["/etc/ssh/sshd_config"]


def test_an_interface_is_named_and_led_out_where_that_is_needed() -> None:
    text = render_network_config(NetworkConfig("52:54:00:00:00:01", "10.0.0.2/24", "eth0", "10.0.0.1"))
    lan = yaml.safe_load(text)["ethernets"]["lan"]
    assert (lan["set-name"], lan["gateway4"], lan["nameservers"]) == ("eth0", "10.0.0.1", {"addresses": ["10.0.0.1"]})


# The scripts themselves


def install(folder: Path, state: Path, step: str) -> subprocess.CompletedProcess[str]:
    """Run the installation with one step; its log is beside the state."""
    folder.mkdir(exist_ok=True)
    shutil.copy(PROJECT / "cloud-init" / "stock" / "install.sh", folder)
    (folder / "step.sh").write_text(step)
    (folder / "variables").write_text(f"STATE={state}\nLOG={state}.log\nSTEPS=step.sh\n")
    return subprocess.run(["bash", folder / "install.sh"], capture_output=True, text=True, check=False)


def test_an_installation_is_done_once_and_tells_what_became_of_it(tmp_path: Path) -> None:
    folder, state = tmp_path / "seed", tmp_path / "state"
    assert install(folder, state, "echo broken >&2; exit 3").returncode != 0
    assert (state / "failed").exists() and not (state / "done").exists()
    assert (state / "step").read_text() == "step.sh\n"
    assert "broken" in Path(f"{state}.log").read_text()
    assert install(folder, state, "true").returncode == 0
    assert (state / "done").exists() and not (state / "failed").exists()
    assert install(folder, state, "exit 3").returncode == 0


STOCK = PROJECT / "cloud-init" / "stock"


def test_files_of_another_service_account_are_given_to_this_machine_s(tmp_path: Path) -> None:
    try:
        account = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("there is no account postgres")
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    other = account.pw_uid + 1
    for name, owner in (("lost+found", (0, 0)), ("data", (other, other)), ("log", (account.pw_uid, other))):
        (tmp_path / name).mkdir()
        os.chown(tmp_path / name, *owner)
    (tmp_path / "data" / "pg_wal").symlink_to("nowhere")
    os.chown(tmp_path / "data" / "pg_wal", other, other, follow_symlinks=False)
    environment = {**os.environ, "DATA_FOLDER": str(tmp_path)}
    subprocess.run(["bash", STOCK / "owner.sh"], env=environment, check=True)
    found = {path.name: (path.lstat().st_uid, path.lstat().st_gid) for path in tmp_path.rglob("*")}
    own = (account.pw_uid, account.pw_gid)
    assert found == {"lost+found": (0, 0), "data": own, "log": own, "pg_wal": own}


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_files_are_given_away_when_the_account_is_there(distribution: str, image: Path, packages: Path) -> None:
    steps = told(settings(image, packages, distribution))["STEPS"].split()
    assert steps.index("owner.sh") == steps.index("postgresql.sh") + 1


def test_who_gets_in_by_ssh_finds_the_data_disk_on_a_stock_image_too() -> None:
    line = r"After=var-lib-pgpool\\x2dlab.mount\n"
    for script in ("boot/common.sh", "stock/system.sh"):
        assert line in (PROJECT / "cloud-init" / script).read_text()
    text = (STOCK / "system.sh").read_text()
    assert "for service in ssh sshd; do" in text and "/etc/systemd/system/$service.service.d/data-disk.conf" in text


def programs(folder: Path, **texts: str) -> dict[str, str]:
    """An environment in which these programs do what their texts say."""
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize("answer", [0, 2], ids=["it goes on", "another one holds the lock"])
def test_a_broken_off_installation_of_packages_is_gone_on_with_first(answer: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    environment = programs(tmp_path / "bin", dpkg=f'echo "dpkg $*" >>{log}; exit {answer}', index=f"echo index >>{log}")
    environment |= {"MIRROR": "", "PROJECT_SETUP": "", "REFRESH": "index"}
    subprocess.run(["bash", STOCK / "repository.sh"], env=environment, check=True, capture_output=True)
    assert log.read_text() == "dpkg --configure -a\nindex\n"


def test_nobody_else_looks_into_the_seed_of_a_running_machine(tmp_path: Path) -> None:
    command = stock.COMMAND.replace(stock.SEED_PARENT, str(tmp_path / "run"))
    seed = tmp_path / "run" / "seed"
    environment = programs(
        tmp_path / "bin",
        mountpoint="exit 1",
        mount=f"stat -c %a {tmp_path}/run >{tmp_path}/mode; echo 'echo installs' >{seed}/install.sh",
    )
    done = subprocess.run(["sh", "-c", command], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout == "installs\n"
    assert (tmp_path / "mode").read_text() == "700\n"


def waiting(state: Path, command: str = "true", seconds: int = 5) -> subprocess.CompletedProcess[str]:
    """Wait for an installation as the update does, with its own state and bound."""
    text = wait_for_installation("node0").replace(stock.STATE, str(state)).replace(stock.LOG, f"{state}.log")
    text = re.sub(r"^seconds=.*$", f"seconds={seconds}", text, flags=re.M)
    text = re.sub(r"^install=.*$", f"install={shlex.quote(command)}", text, flags=re.M)
    return subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=False, timeout=60)


def test_an_update_goes_on_when_the_node_is_installed(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "done").touch()
    done = waiting(tmp_path / "state")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_failed_installation_ends_the_update_with_the_node_and_the_log(tmp_path: Path) -> None:
    state = tmp_path / "state"
    install(tmp_path / "seed", state, "echo E: unable to locate package; exit 100")
    failed = waiting(state)
    assert failed.returncode == 1
    first, *rest = failed.stderr.splitlines()
    assert first == f"node0: the installation by cloud-init has failed in step.sh; the end of {state}.log on node0:"
    assert "E: unable to locate package" in rest


def test_the_next_update_tries_a_failed_installation_again(tmp_path: Path) -> None:
    state = tmp_path / "state"
    install(tmp_path / "seed", state, "exit 1")
    assert waiting(state).returncode == 1
    (tmp_path / "seed" / "step.sh").write_text("true")
    assert waiting(state, f"bash {tmp_path}/seed/install.sh").returncode == 0


def test_an_installation_that_takes_too_long_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "step").write_text("pgpool.sh\n")
    late = waiting(tmp_path / "state", seconds=1)
    assert late.returncode == 1
    assert "not done after 1 s, in pgpool.sh" in late.stderr


# The mirror's server


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Address of a server of a folder with one file, which has another one beside it."""
    if os.geteuid() != 0:
        pytest.skip("only root can take a folder as its root")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "Packages").write_text("Package: a\n")
    (tmp_path / "mirror" / "out").symlink_to(tmp_path / "secret")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        mirror.command(tmp_path / "mirror", "127.0.0.1", port),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=PROJECT,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == mirror_server.READY
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert re.search(r"^Uid:\t65534\t65534\t65534\t65534$", status, re.M)
        assert re.search(r"^Groups:\t *$", status, re.M)
        assert mirror.serves(process.pid, tmp_path / "mirror") and not mirror.serves(process.pid, tmp_path)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close() if process.stdout else None


def test_the_server_gives_the_folder_s_files_and_no_others(served: str) -> None:
    with urllib.request.urlopen(f"{served}/Packages", timeout=10) as answer:
        assert answer.read() == b"Package: a\n"
    for path in ("../secret", "%2e%2e/secret", "out", "etc/passwd"):
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(f"{served}/{path}", timeout=10)
        assert raised.value.code == 404
        raised.value.close()


def test_a_server_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "import sys; sys.exit('the folder cannot be a root')"
    monkeypatch.setattr(mirror, "require_root", lambda: None)
    monkeypatch.setattr(mirror, "exclusively", lambda lab: nullcontext())
    monkeypatch.setattr(mirror, "servers", lambda lab: {})
    monkeypatch.setattr(mirror, "enter", lambda lab: [])
    monkeypatch.setattr(mirror, "command", lambda *given: [sys.executable, "-c", reason])
    lab = LabPaths("stock", tmp_path)
    with pytest.raises(LabError, match="the folder cannot be a root") as raised:
        mirror.serve(lab, tmp_path, "10.20.30.1", 8080)
    assert raised.value.remedy.startswith(f"read {lab.logs / 'mirror.log'}; ./lab down stock ends ")


# What stands in for the internet


@pytest.fixture
def debian(tmp_path: Path) -> Path:
    """A folder with one package."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed")
    root, folder = tmp_path / "root", tmp_path / "packages"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN" / "control").write_text(
        "Package: sample\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: a sample\n"
    )
    folder.mkdir()
    subprocess.run(["dpkg-deb", "--build", root, folder / "sample_1.0_all.deb"], check=True, capture_output=True)
    return folder


def test_the_index_tells_each_package_and_its_file(debian: Path) -> None:
    fields = dict(line.split(": ", 1) for line in standin.index(debian).splitlines())
    content = (debian / "sample_1.0_all.deb").read_bytes()
    assert (fields["Package"], fields["Filename"]) == ("sample", "./sample_1.0_all.deb")
    assert fields["Size"] == str(len(content))
    assert fields["SHA256"] == hashlib.sha256(content).hexdigest()


def test_a_file_that_is_no_package_is_named(debian: Path) -> None:
    (debian / "broken.deb").write_text("no package")
    with pytest.raises(LabError, match=r"broken\.deb"):
        standin.index(debian)


def test_what_is_there_is_not_written_over(image: Path, packages: Path) -> None:
    lab = settings(image, packages)
    for make, key in ((standin.plain, "image.source"), (standin.mirror, "image.mirror")):
        with pytest.raises(LabError, match=rf"{key}: .* is there already"):
            make(lab)


def test_only_what_this_machine_s_sources_have_can_be_made(image: Path, packages: Path) -> None:
    lab = settings(image, packages, "rocky9")
    for make in (standin.plain, standin.mirror):
        with pytest.raises(LabError, match=r"image\.distribution: only debian12"):
            make(lab)


def test_a_mirror_has_what_nodes_install_and_compile_with() -> None:
    wanted = set(stock.mirrored_packages(ImageRecipe(image_source="path:i")))
    assert {"postgresql-15", "gcc", "make", "libpq-dev", "libssl-dev", "libpq5", "sudo"} <= wanted


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_a_mirror_s_ssh_client_does_not_come_without_its_server(distribution: str, image: Path, packages: Path) -> None:
    wanted = set(told(settings(image, packages, distribution))["NODE_PACKAGES"].split())
    assert "openssh-server" in wanted and wanted & {"openssh-client", "openssh-clients"}


def test_the_stock_stack_names_an_image_and_a_mirror_below_files() -> None:
    lab = from_stack_file(STACK_FILE)
    assert lab.image.source is not None and lab.image.source.startswith("path:files/")
    assert lab.image.mirror is not None and lab.image.mirror.startswith("files/")
    assert lab.mirror_address == "http://192.168.31.1:8080/"
    assert all(node.memory_mib >= 1024 for node in lab.nodes), "what the compilation of pgpool takes"


def test_an_archive_of_programs_is_on_every_node_s_seed(tmp_path: Path, image: Path) -> None:
    archive = tmp_path / "programs.tar"
    with tarfile.open(archive, "w"):
        pass
    recipe = ImageRecipe(image_source=f"path:{image}", postgresql_source=f"path:{archive}", postgresql_version="9.6")
    for compiles in (True, False):
        assert "POSTGRESQL_ARCHIVE" in stock.installation(recipe, compiles=compiles, mirror=None).copies
    assert "postgresql-client-15" in stock.node_packages(recipe)
