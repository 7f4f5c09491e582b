"""The choice of a toolchain, what its place in the cache depends on, and the environment of plain commands."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path

import pytest

from pgpool_lab.errors import LabError
from pgpool_lab.paths import PROJECT
from pgpool_lab.toolchain import (
    Choice,
    Toolchain,
    build,
    cached,
    choice,
    choose,
    download,
    environment,
    installed,
    prepare,
    versions,
)
from pgpool_lab.toolchain.installed import Installed

EVERYTHING = Installed(Path("/usr/bin"), Path("/home/user/.pulumi"), ())
NOTHING = Installed(None, Path("/home/user/.pulumi"), ("pulumi on PATH", "the command plugin"))


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("setting", "found", "answers", "source"),
    [
        (None, EVERYTHING, False, "path"),
        ("", EVERYTHING, False, "path"),
        (None, NOTHING, True, "download"),
        (None, NOTHING, False, "build"),
        ("path", EVERYTHING, False, "path"),
        ("download", EVERYTHING, False, "download"),
        ("build", EVERYTHING, True, "build"),
    ],
)
def test_choice(setting: str | None, found: Installed, answers: bool, source: str) -> None:
    chosen = choose(setting, find=lambda: found, reachable=lambda: answers)
    assert chosen.source == source
    assert chosen.reason


def test_unknown_setting_names_variable_and_values() -> None:
    with pytest.raises(LabError) as caught:
        choose("internet")
    assert "LAB_TOOLCHAIN=internet" in caught.value.problem
    assert all(source in caught.value.remedy for source in ("path", "download", "build"))


def test_path_without_a_toolchain_says_what_is_missing() -> None:
    with pytest.raises(LabError) as caught:
        choose("path", find=lambda: NOTHING)
    assert "pulumi on PATH" in caught.value.problem and "the command plugin" in caught.value.problem


def test_a_silent_site_costs_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers_late(*_: object, **__: object) -> AbstractContextManager[BytesIO]:
        time.sleep(2)
        return BytesIO(b"#!")

    monkeypatch.setattr(choice, "PATIENCE", 0.2)
    monkeypatch.setattr("urllib.request.urlopen", answers_late)
    assert not choice.site_answers()


@pytest.mark.parametrize(("content", "expected"), [("#!/bin/sh\n", True), ("<html>log in</html>", False)])
def test_only_the_installer_counts_as_an_answer(
    content: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "answer").write_text(content)
    monkeypatch.setattr(choice, "INSTALLER", (tmp_path / "answer").as_uri())
    assert choice.site_answers() is expected


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        (f"v{versions.PULUMI}", True),
        ("v3.251.1", True),
        ("v3.249.9", False),
        ("v4.0.0", False),
        ("3.300.0-alpha.1+x", True),
        ("nonsense", False),
    ],
)
def test_versions_that_fit(text: str, fits: bool) -> None:
    assert versions.fits_pulumi(versions.parse(text)) is fits


def test_python_packages_are_pinned_to_the_same_versions() -> None:
    project = (PROJECT / "pyproject.toml").read_text()
    assert f'"pulumi=={versions.PULUMI}"' in project
    for name, version in versions.PLUGINS.items():
        assert f'"pulumi-{name}=={version}"' in project


@pytest.fixture
def user_toolchain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH and a PULUMI_HOME with everything that fits."""
    script(tmp_path / "bin" / "pulumi", f"echo v{versions.PULUMI}")
    script(tmp_path / "bin" / "pulumi-language-python", "")
    for name, version in versions.PLUGINS.items():
        script(tmp_path / "home" / "plugins" / f"resource-{name}-v{version}" / f"pulumi-resource-{name}", "")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    return tmp_path


def test_finds_an_installed_toolchain(user_toolchain: Path) -> None:
    assert installed.find() == Installed(user_toolchain / "bin", user_toolchain / "home", ())
    toolchain = prepare(Choice("path", "test"))
    assert toolchain == Toolchain(user_toolchain / "bin", user_toolchain / "home", "path")


def test_an_old_cli_or_a_missing_plugin_does_not_fit(user_toolchain: Path) -> None:
    script(user_toolchain / "bin" / "pulumi", "echo v3.100.0")
    (user_toolchain / "home" / "plugins" / "resource-libvirt-v0.5.4" / "pulumi-resource-libvirt").unlink()
    missing = installed.find().missing
    assert "3.100.0" in missing[0]
    assert "libvirt plugin 0.5.4" in missing[1]


def test_key_follows_the_modules(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("one")
    first = cached.key("build", tmp_path)
    assert first == cached.key("build", tmp_path)
    (tmp_path / "go.mod").write_text("two")
    assert cached.key("build", tmp_path) != first
    assert cached.key("download", tmp_path) == cached.key("download", tmp_path.parent)


def test_an_interrupted_preparation_leaves_nothing_that_counts_as_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def interrupted(target: Path, modules: Path, log: Path) -> None:
        (target / "half").touch()
        raise KeyboardInterrupt

    def whole(target: Path, modules: Path, log: Path) -> None:
        assert list(target.iterdir()) == []
        (target / "bin").mkdir()

    monkeypatch.setattr(build, "into", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare(Choice("build", "test"))
    monkeypatch.setattr(build, "into", whole)
    toolchain = prepare(Choice("build", "test"))
    assert toolchain.bin.is_dir()
    monkeypatch.setattr(build, "into", interrupted)
    assert prepare(Choice("build", "test")) == toolchain


def test_download_runs_the_installer_away_from_the_users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "record"
    fake_cli = f'echo "$PULUMI_HOME: $*" >>{record}'
    installer = script(
        tmp_path / "installer",
        f"echo \"$*\" >>{record}; mkdir -p $HOME/.pulumi/bin; cat >$HOME/.pulumi/bin/pulumi <<'END'\n"
        f"#!/bin/sh\n{fake_cli}\nEND\nchmod +x $HOME/.pulumi/bin/pulumi",
    )
    monkeypatch.setattr(download, "INSTALLER", installer.as_uri())
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    target = tmp_path / "target"
    target.mkdir()
    download.into(target, tmp_path / "log")
    assert record.read_text().splitlines() == [
        f"--version {versions.PULUMI}",
        f"{target}: plugin install resource command 1.2.1",
        f"{target}: plugin install resource libvirt 0.5.4",
    ]
    assert [path.name for path in target.iterdir()] == ["bin"]
    assert not (tmp_path / "user").exists()


def test_wanted_go_is_what_the_newest_module_takes() -> None:
    assert build.wanted_go(["module a\n\ngo 1.25.11\n", "module b\n\ngo 1.25.0\n"]) == (1, 25, 11)


def test_environment_is_the_labs_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "another lab's")
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "another backend's")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/gone")
    monkeypatch.setenv("KEPT", "kept")
    toolchain = Toolchain(tmp_path / "tools" / "bin", tmp_path / "tools", "build")
    (tmp_path / "tools" / "plugins").mkdir(parents=True)

    def made() -> dict[str, str]:
        return environment(
            toolchain,
            pulumi_home=tmp_path / "lab" / "pulumi",
            venv_bin=Path("/venv/bin"),
            backend_url="file:///lab/backend",
            passphrase_file=Path("/lab/passphrase"),
            config_file=Path("/lab/Pulumi.two-node.yaml"),
        )

    variables = made()
    assert variables["PATH"].split(os.pathsep)[:2] == ["/venv/bin", str(toolchain.bin)]
    assert variables["KEPT"] == "kept"
    assert variables["PULUMI_BACKEND_URL"] == "file:///lab/backend"
    assert variables["PULUMI_OPTION_CONFIG_FILE"] == "/lab/Pulumi.two-node.yaml"
    for foreign in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_ACCESS_TOKEN", "SSH_AUTH_SOCK"):
        assert foreign not in variables
    link = tmp_path / "lab" / "pulumi" / "plugins"
    assert link.resolve() == tmp_path / "tools" / "plugins"
    assert made() == variables


def test_a_toolchain_that_was_made_before_is_taken_without_asking_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(cached, "choose", lambda setting: pytest.fail("the network was asked"))
    made = tmp_path / "pgpool-lab" / "toolchain" / f"build-{cached.key('build')}"
    made.mkdir(parents=True)
    assert cached.take(None) == cached.Toolchain(made / "bin", made, "build")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for toolchains, on a machine that has none on PATH and no network."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(choice, "site_answers", lambda: pytest.fail("the network was asked"))
    monkeypatch.setattr(build, "into", lambda target, modules, log: (target / "bin").mkdir())
    monkeypatch.setattr(download, "into", lambda target, log: (target / "bin").mkdir())
    return tmp_path / "pgpool-lab" / "toolchain"


def test_the_choice_is_told_when_something_is_made_and_else_on_demand(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cached.take("build")
    assert capsys.readouterr().err == "toolchain: build (LAB_TOOLCHAIN=build)\n"
    cached.take("build")
    assert capsys.readouterr().err == ""
    there = cache / f"build-{cached.key('build')}"
    cached.take("build", named=True)
    assert capsys.readouterr().err == f"toolchain: build (LAB_TOOLCHAIN=build; made before: {there})\n"
    cached.take(None, named=True)
    assert capsys.readouterr().err == f"toolchain: build (nothing that fits is on PATH; made before: {there})\n"


def test_a_toolchain_of_the_user_s_is_named_with_its_place(
    user_toolchain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cached.take(None, named=True)
    told = capsys.readouterr().err
    assert told.startswith("toolchain: path (") and told.count("\n") == 1
    assert str(user_toolchain / "bin") in told and str(user_toolchain / "home") in told


def wanted(setting: str | None) -> list[str]:
    return [need.what for need in cached.needs(setting)]


def test_a_toolchain_takes_room_only_while_it_has_to_be_made(cache: Path) -> None:
    tools = ["the toolchain"]
    everything = [*tools, "Go's modules", "Go's build cache"]
    assert (wanted("build"), wanted("download")) == (everything, tools)
    # An interrupted build has compiled only some of it.
    (cache / f"build-{'0' * 16}.partial" / "bin").mkdir(parents=True)
    assert wanted("build") == everything
    (cache / f"build-{'0' * 16}" / "bin").mkdir(parents=True)
    assert wanted("build") == tools, "Go has what an earlier build compiled"
    prepare(Choice("build", "test"))
    assert (wanted("build"), wanted(None), wanted("download")) == ([], [], tools)
    with pytest.raises(LabError, match="LAB_TOOLCHAIN=path"):
        cached.needs("path")


def test_that_curl_is_still_to_be_installed_does_not_make_it_a_build(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "site_answers", lambda: True)
    assert wanted(None) == ["the toolchain"], "curl is missing, and everything else with it"


GO_FOLDERS = {
    "its defaults": ({}, "/home/user/go/pkg/mod", "/home/user/.cache/go-build"),
    "another cache": ({"XDG_CACHE_HOME": "/big"}, "/home/user/go/pkg/mod", "/big/go-build"),
    "another GOPATH": ({"GOPATH": "/one:/two"}, "/one/pkg/mod", "/home/user/.cache/go-build"),
    "its own settings": ({"GOMODCACHE": "/mod", "GOCACHE": "/built", "GOPATH": "/one"}, "/mod", "/built"),
}


@pytest.mark.parametrize(("environment", "modules", "compiled"), GO_FOLDERS.values(), ids=GO_FOLDERS.keys())
def test_go_keeps_what_it_needs_in_its_own_folders(
    environment: dict[str, str], modules: str, compiled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/home/user"))
    assert build.go_caches(environment) == (Path(modules), Path(compiled))


def test_a_toolchain_of_the_user_s_takes_none(user_toolchain: Path) -> None:
    assert (wanted(None), wanted("path")) == ([], [])
