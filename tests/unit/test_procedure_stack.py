"""stacks/Pulumi.procedure.yaml: the runbook's own versions and values, and the files that its user has to give."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.cluster.node_configuration import node_configuration
from components.pgpool import layout as pgpool_layout
from components.postgres import layout as postgres_layout
from pgpool_lab import given, paths
from pgpool_lab.errors import LabError
from pgpool_lab.image.recipe import ImageRecipe
from pgpool_lab.image.stock import mirrored_packages
from pgpool_lab.paths import PROJECT
from pgpool_lab.settings import LabSettings, from_mapping, from_stack_file
from tests.unit.test_settings import VALID
from tests.unit.test_templates import files, parameters, pgpool_conf, text

STACK = PROJECT / "stacks" / "Pulumi.procedure.yaml"


@pytest.fixture
def settings() -> LabSettings:
    return from_stack_file(STACK)


def test_it_has_the_runbook_s_versions_and_addresses(settings: LabSettings) -> None:
    assert settings.image.distribution == "centos7"
    assert (settings.postgresql.version, settings.pgpool.version) == ("9.4", "3.2.9")
    assert [(node.name, str(node.ip)) for node in settings.nodes] == [
        ("node0", "192.168.31.133"),
        ("node4", "192.168.31.134"),
    ]
    assert (settings.auth, settings.ssh_mesh) == ("trust", "full")


RUNBOOK = {
    "listen_addresses": "'*'",
    "port": "9999",
    "pcp_port": "9898",
    "wd_port": "9000",
    "use_watchdog": "on",
    "delegate_IP": "'192.168.31.139'",
    "backend_hostname0": "'node0'",
    "backend_hostname1": "'node4'",
    "backend_port0": "5432",
    "backend_weight0": "1",
    "backend_flag0": "'ALLOW_TO_FAILOVER'",
    "other_pgpool_hostname0": "'node4'",
    "other_pgpool_port0": "9999",
    "other_wd_port0": "9000",
    "health_check_period": "20",
    "health_check_timeout": "20",
    "health_check_max_retries": "0",
    "health_check_retry_delay": "1",
    "master_slave_mode": "on",
    "master_slave_sub_mode": "'stream'",
}


@pytest.mark.parametrize("name", RUNBOOK)
def test_pgpool_gets_the_runbook_s_parameters(settings: LabSettings, name: str) -> None:
    assert pgpool_conf(settings)[name] == RUNBOOK[name]


def test_every_file_is_made_for_these_versions(settings: LabSettings) -> None:
    rendered = files(settings)
    conf = dict(parameters(text(rendered[postgres_layout.CONFIG_FILE])))
    assert {"wal_keep_segments", "checkpoint_segments"} <= set(conf) and conf["wal_level"] == "hot_standby"
    assert "/usr/pgsql-9.4/bin/" in text(rendered["/etc/systemd/system/lab-postgresql.service"])
    assert f"{pgpool_layout.CONFIGURATION}/pgpool_node_id" not in rendered
    known = node_configuration(settings, lab="lab", node="node0")
    assert known["postgresql"]["dialect"]["standby_file"] == "recovery.conf"
    assert known["pgpool"]["election"] == "oldest"


def test_each_missing_file_is_named_with_its_key_and_what_it_is(
    settings: LabSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    with pytest.raises(LabError) as raised:
        given.check(settings, STACK, private=True)
    assert raised.value.problem.splitlines()[1:] == [
        f"  image.source: {tmp_path}/files/CentOS-7-x86_64-GenericCloud.qcow2: a cloud image (qcow2) of centos7",
        f"  pgpool.source: {tmp_path}/files/pgpool-II-3.2.9.tar.gz: the source tarball of pgpool-II 3.2.9",
        f"  image.mirror: {tmp_path}/files/mirror-centos7: a folder of packages for centos7",
    ]
    assert str(STACK) in raised.value.remedy


def test_the_readme_names_every_package_that_the_mirror_must_have(settings: LabSettings) -> None:
    readme = (PROJECT / "README.md").read_text()
    assert " ".join(f"`{name}`" for name in mirrored_packages(ImageRecipe.of(settings))) in " ".join(readme.split())


def test_what_is_there_or_needs_no_file_is_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "tarball").touch()
    given.check(from_mapping(VALID, "file"), STACK, private=True)
    given.check(from_mapping(VALID | {"pgpool": {"source": f"path:{tmp_path}/tarball"}}, "file"), STACK, private=True)
