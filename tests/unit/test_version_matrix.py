"""Every supported pair of pgpool and PostgreSQL: its configuration holds nothing that one of the two does not know.

With LAB_PGPOOL_SAMPLES, a folder of folders named after releases (`3.2.9`) that hold the pgpool.conf.sample files of
pgpool's source: the names are looked up in those as well. With LAB_POSTGRESQL_BINARIES, a folder of folders named after
PostgreSQL's versions (`9.6`) that hold `bin/postgres` and what it needs: it reads the files. What these say is
recorded for docs/compatibility.md.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from components.cluster.node_configuration import node_configuration
from components.pgpool import layout as pgpool_layout
from components.postgres import layout as postgres_layout
from pgpool_lab.compatibility.documents import ASKED, Judge
from pgpool_lab.node import dialect
from pgpool_lab.node.role import write_replication_conf
from pgpool_lab.settings import LabSettings
from pgpool_lab.versions import pgpool, pgpool_parameters, postgresql, postgresql_parameters
from pgpool_lab.versions.numbers import parse
from pgpool_lab.versions.pgpool_parameters import general
from pgpool_lab.versions.support import Choice, wrong_pair
from tests.unit.test_templates import files, lab, parameters, pgpool_conf, text


def safest(release: str, version: str) -> str | None:
    """The best way to authenticate that both know; None when they don't go together at all."""
    ways = ("scram", "md5")
    return next((way for way in ways if not list(wrong_pair(Choice("", version, release, "", way)))), None)


PAIRS = [
    (release, version, auth)
    for release in pgpool.RELEASES
    for version in postgresql.SERIES
    if (auth := safest(release, version)) is not None
]
DATA = Path(__file__).parent / "data"
KEPT = {
    pgpool_layout.CONFIG_FILE: "pgpool-4.3.5.conf",
    postgres_layout.CONFIG_FILE: "postgresql-15.conf",
    "/etc/systemd/system/lab-postgresql.service": "postgresql-15.service",
}
"""Files of the default versions as they are meant to be: a change for another version must not change them."""

SAMPLES = os.environ.get("LAB_PGPOOL_SAMPLES")
BINARIES = os.environ.get("LAB_POSTGRESQL_BINARIES")


def chosen(
    release: str, version: str, auth: str = "md5", preset: str = "fast", size: int = 3, replication: str = "async"
) -> LabSettings:
    """A lab of these versions, as if their binaries could be had."""
    settings = lab(auth, preset, replication, size=size)
    return settings.model_copy(
        update={
            "postgresql": settings.postgresql.model_copy(update={"version": version}),
            "pgpool": settings.pgpool.model_copy(update={"version": release}),
        }
    )


def given(settings: LabSettings) -> set[str]:
    """Names of pgpool's parameters on all nodes."""
    return {name for index in range(len(settings.nodes)) for name in pgpool_conf(settings, index)}


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request: pytest.FixtureRequest) -> LabSettings:
    release, version, auth = request.param
    return chosen(release, version, auth, size=2)


def test_every_series_is_among_the_releases() -> None:
    assert {pgpool_parameters.series(parse(release)) for release in pgpool.RELEASES} == set(pgpool.SERIES)
    assert {release for release, *_ in PAIRS} == set(pgpool.RELEASES)
    assert {version for _, version, _ in PAIRS} == set(postgresql.SERIES)


def test_pgpool_knows_every_parameter_of_a_pair(pair: LabSettings) -> None:
    release = pair.pgpool.traits.version
    assert [name for name in given(pair) if not pgpool_parameters.knows(release, name)] == []
    assert len(given(pair)) > 40


def test_postgresql_knows_every_parameter_of_a_pair(pair: LabSettings) -> None:
    conf = dict(parameters(text(files(pair)[postgres_layout.CONFIG_FILE])))
    server = pair.postgresql.version
    assert [name for name in conf if not postgresql_parameters.knows(server, name)] == []
    assert ("wal_keep_size" in conf) == (parse(server) >= (13,))
    assert conf["wal_level"] == ("replica" if parse(server) >= (9, 6) else "hot_standby")


def test_no_server_is_asked_for_what_it_has_not(pair: LabSettings) -> None:
    words = node_configuration(pair, lab="lab", node="node0")["postgresql"]["dialect"]
    asked = dialect.state(words) + dialect.standing(words) + dialect.holds_segment(words, "0/1")
    asked += dialect.role_and_segment(words) + dialect.sampled(words)
    server = parse(pair.postgresql.version)
    assert ("xlog" in asked) == (server < (10,))
    assert ("_wal_" in asked.replace("pg_stat_wal_receiver", "")) == (server >= (10,))
    assert ("pg_stat_wal_receiver" in asked) == (server >= (9, 6))
    assert ("sender_host" in asked) == (server >= (11,))
    assert ("pg_control_" in asked) == (server >= (9, 6))


def test_hba_files_use_methods_that_both_know(pair: LabSettings) -> None:
    rendered = files(pair)
    for path in (postgres_layout.HBA_FILE, f"{pgpool_layout.CONFIGURATION}/pool_hba.conf"):
        scram = "scram" in text(rendered[path])
        assert scram == (pair.auth == "scram")


@pytest.mark.parametrize("release", pgpool.RELEASES)
def test_every_node_is_told_of_every_other_pgpool(release: str) -> None:
    settings = chosen(release, "9.6")
    for index, node in enumerate(settings.nodes):
        conf = pgpool_conf(settings, index)
        others = {f"'{other.name}'" for other in settings.nodes if other != node}
        told = {value for name, value in conf.items() if general(name) in ("hostnameN", "other_pgpool_hostnameN")}
        alike = parse(release) >= (4, 2)
        assert (f"{pgpool_layout.CONFIGURATION}/pgpool_node_id" in files(settings, index)) == alike
        assert told == (others | {f"'{node.name}'"} if alike else others)
        assert conf.get("wd_hostname") == (None if alike else f"'{node.name}'")


@pytest.mark.parametrize("release", pgpool.RELEASES)
def test_pgpools_watch_each_other_by_heartbeat_where_they_can(release: str) -> None:
    settings = chosen(release, "9.6")
    conf = pgpool_conf(settings)
    if parse(release) < (3, 3):
        assert conf["wd_lifecheck_query"] == "'SELECT 1'"
        # A failover keeps pgpool from answering: it must not declare itself dead meanwhile.
        assert int(conf["wd_life_point"]) * int(conf["wd_interval"]) >= 20
    else:
        assert conf["wd_lifecheck_method"] == "'heartbeat'"
        receivers = {name for name in conf if re.match(r"heartbeat_(hostname|destination)\d", name)}
        assert len(receivers) == len(settings.nodes) - (parse(release) < (4, 2))


@pytest.mark.parametrize("release", pgpool.RELEASES)
def test_the_failover_command_uses_what_the_version_fills_in(release: str) -> None:
    command = pgpool_conf(chosen(release, "9.6"))["failover_command"]
    used = set(re.findall(r"%(\w)", command))
    assert used <= pgpool.traits(release).placeholders
    assert command.split()[1:4] == ['"%d"', '"%h"', '"%P"'], "the agent reads the first and the third"


@pytest.mark.parametrize("release", pgpool.RELEASES)
def test_the_follow_command_has_the_version_s_name(release: str) -> None:
    conf = pgpool_conf(chosen(release, "9.6"))
    named = {name: value for name, value in conf.items() if name.startswith("follow_")}
    assert list(named) == ["follow_primary_command" if parse(release) >= (4, 2) else "follow_master_command"]
    assert set(re.findall(r"%(\w)", " ".join(named.values()))) <= pgpool.traits(release).placeholders


@pytest.mark.parametrize("release", pgpool.RELEASES)
def test_interface_commands_run_without_a_shell(release: str) -> None:
    conf = {name: value.strip("'") for name, value in pgpool_conf(chosen(release, "9.6")).items()}
    folder = conf.get("if_cmd_path") or conf["ifconfig_path"]
    for name, path in (("if_up_cmd", folder), ("if_down_cmd", folder), ("arping_cmd", conf["arping_path"])):
        words = conf[name].split()
        program = words[0] if words[0].startswith("/") and parse(release) >= (4, 1) else f"{path}/{words[0]}"
        assert program == pgpool_layout.VIRTUAL_IP
        assert len(words) <= 23, "3.2 cuts the rest off"
        assert len(conf[name]) < 128, "3.2 copies the command to a buffer"


@pytest.mark.parametrize("release", pgpool.RELEASES)
def test_a_pgpool_without_an_escalation_command_takes_the_virtual_ip_from_whoever_has_it(release: str) -> None:
    conf = pgpool_conf(chosen(release, "9.6"))
    asks = "wd_escalation_command" in conf
    assert asks == (parse(release) >= (3, 3))
    assert conf["if_up_cmd"].strip("'").split()[1] == ("up" if asks else "take")


@pytest.mark.parametrize("release", pgpool.RELEASES)
def test_a_new_leader_asks_again_where_pgpool_tells_of_its_checks(release: str) -> None:
    script = text(files(chosen(release, "9.6"))[pgpool_layout.ESCALATION])
    assert ("health_check_stats" in script) == (parse(release) >= (4, 2))


def test_a_saved_state_of_backends_is_not_trusted_and_no_trusted_server_is_pinged() -> None:
    """3.2 saves it at a clean exit only, and before 3.2.11 the loop over the servers can hang."""
    for release in pgpool.RELEASES:
        rendered = files(chosen(release, "9.6"))
        unit = text(rendered[f"/etc/systemd/system/{pgpool_layout.SERVICE}"])
        assert re.search(r"^ExecStart=\S+/pgpool -n -C -D ", unit, re.MULTILINE)
        assert "trusted_servers" not in pgpool_conf(chosen(release, "9.6"))


@pytest.mark.parametrize("release", pgpool.RELEASES)
def test_the_checks_do_not_depend_on_a_file_that_all_of_them_read_at_one_position(release: str) -> None:
    way = sorted(pgpool.traits(release).authentication - {"trust"})[0]
    conf = pgpool_conf(chosen(release, "9.6", way))
    assert conf["health_check_password"] == conf["sr_check_password"] == "'secret-of-check'"
    assert pgpool_conf(chosen(release, "9.6", "trust"))["health_check_password"] == "''"


@pytest.mark.parametrize(("server", "kind"), [("9.4", "forking"), ("9.6", "notify"), ("15", "notify")])
def test_systemd_learns_in_the_server_s_way_when_it_is_ready(server: str, kind: str) -> None:
    unit = text(files(chosen("4.3.5", server))["/etc/systemd/system/lab-postgresql.service"])
    assert f"\nType={kind}\n" in unit
    assert ("pg_ctl start" in unit) == (kind == "forking")


@pytest.mark.parametrize(("path", "kept"), KEPT.items())
def test_the_default_versions_get_what_they_always_got(path: str, kept: str) -> None:
    assert text(files(lab())[path]) == (DATA / kept).read_text()


@pytest.mark.skipif(SAMPLES is None, reason="LAB_PGPOOL_SAMPLES names no folder of samples")
@pytest.mark.parametrize("preset", ["fast", "procedure"])
@pytest.mark.parametrize("release", pgpool.RELEASES)
def test_the_samples_of_a_version_name_every_parameter(
    release: str, preset: str, record_property: Callable[[str, str], None]
) -> None:
    folder = Path(SAMPLES or "", release)
    if not folder.is_dir():
        pytest.skip(f"{SAMPLES} has no folder {release}")
    record_property(ASKED, Judge(program="pgpool", version=release, by="sample").model_dump_json())
    sampled = {
        general(line.group(1))
        for file in folder.glob("pgpool.conf.sample*")
        for line in re.finditer(r"^#?\s?(\w+)\s*=", file.read_text(errors="replace"), re.MULTILINE)
    }
    assert len(sampled) > 50
    for auth in pgpool.traits(release).authentication:
        for size in (2, 3):
            names = given(chosen(release, "9.6", auth, preset, size))
            assert {general(name) for name in names} - sampled == set()


@pytest.mark.skipif(BINARIES is None, reason="LAB_POSTGRESQL_BINARIES names no folder of binaries")
@pytest.mark.parametrize("replication", ["async", "sync"])
@pytest.mark.parametrize("server", postgresql.SERIES)
def test_the_server_of_a_version_reads_its_configuration(
    server: str,
    replication: str,
    record_property: Callable[[str, str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`postgres -C` reads and checks the files, and starts nothing. recovery.conf is read by a start only."""
    program = Path(BINARIES or "", server, "bin", "postgres")
    if not program.is_file():
        pytest.skip(f"{BINARIES} has no {server}/bin/postgres")
    record_property(ASKED, Judge(program="postgresql", version=server, by="binary").model_dump_json())
    monkeypatch.setattr(shutil, "chown", lambda *_: None)
    for auth in ("trust", "md5", *(["scram"] if postgresql.traits(server).scram else [])):
        settings = chosen("4.3.5", server, auth, replication=replication)
        config = node_configuration(settings, lab="lab", node="node0")
        config["postgresql"]["replication_conf"] = str(tmp_path / "replication.conf")
        write_replication_conf(config, "node1")
        conf = text(files(settings)[postgres_layout.CONFIG_FILE])
        conf = conf.replace(postgres_layout.REPLICATION_CONF, config["postgresql"]["replication_conf"])
        assert complaints(program, tmp_path, conf) == ""
        assert "quux" in complaints(program, tmp_path, f"{conf}quux = 1\n"), "it would have said so"


def complaints(program: Path, folder: Path, conf: str) -> str:
    """What a server says against a postgresql.conf; empty when it takes all of it."""
    file = folder / "postgresql.conf"
    file.write_text(conf)
    # A server without -D, as there is no data directory yet, wants to be told of the file beside pg_hba.conf.
    command = [str(program), "-C", "max_wal_senders", f"--config-file={file}", f"--ident-file={file}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if (done.returncode, done.stdout) == (0, "8\n") else done.stderr
