"""Every configuration file, for every supported combination of settings."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Generic, TypeVar, cast

import pulumi
import pytest
from jinja2 import UndefinedError

from components.cluster.node_configuration import node_configuration
from components.node import Node, NodeFile
from components.pgpool import PgpoolArgs
from components.pgpool import layout as pgpool_layout
from components.pgpool.parameters import Value, literal
from components.pgpool.pgpool import configuration, pgpool_files
from components.postgres import PostgresArgs
from components.postgres import layout as postgres_layout
from components.postgres.postgres import postgres_files
from components.ssh_mesh.layout import SHARED_LOGIN
from components.ssh_mesh.ssh_mesh import HERE as SSH_MESH
from components.ssh_mesh.ssh_mesh import client_configuration
from pgpool_lab.identity import ACCOUNTS
from pgpool_lab.node.script import FENCE, KEPT_CONNECTION
from pgpool_lab.rendering import render
from pgpool_lab.settings import LabSettings, from_mapping
from pgpool_lab.settings.presets import PRESETS
from pgpool_lab.versions.numbers import parse
from pgpool_lab.versions.pgpool import RELEASES, traits
from pgpool_lab.versions.pgpool_parameters import general, known

T = TypeVar("T")

PASSWORDS = {account: f"secret-of-{account}" for account in ACCOUNTS}
COMBINATIONS = list(
    itertools.product(("scram", "md5", "trust"), PRESETS, ("async", "sync"), ("full", "service"), (2, 3, 4))
)


class Given(Generic[T]):
    """An output whose value is there already."""

    def __init__(self, value: T) -> None:
        self.value = value

    def apply(self, function: Callable[[T], Any]) -> Any:
        return function(self.value)


GIVEN = cast("pulumi.Output[dict[str, str]]", Given(PASSWORDS))
NODE = cast("Node", None)


def lab(
    auth: str = "scram",
    preset: str = "fast",
    replication: str = "async",
    mesh: str = "full",
    size: int = 2,
    **parameters: Value,
) -> LabSettings:
    return from_mapping(
        {
            "network": {"cidr": "192.168.31.0/24", "vip": "192.168.31.139"},
            "nodes": [
                {"name": f"node{index}", "ip": f"192.168.31.{10 + index}", "mac": f"52:54:00:31:00:{10 + index}"}
                for index in range(size)
            ],
            "auth": auth,
            "ssh_mesh": mesh,
            "postgresql": {"replication": replication},
            "pgpool": {"timing_preset": preset, "parameters": parameters},
        },
        "test",
    )


def pgpool_args(settings: LabSettings, index: int) -> PgpoolArgs:
    return PgpoolArgs(
        node=NODE,
        version=settings.pgpool.version,
        member_id=index,
        nodes=[node.name for node in settings.nodes],
        ips=[str(node.ip) for node in settings.nodes],
        witness=str(settings.witness_machine.ip) if settings.witness_machine else None,
        vip=str(settings.network.vip),
        cidr=str(settings.network.cidr),
        ports={
            "postgresql": settings.postgresql.port,
            "pgpool": settings.pgpool.port,
            "pcp": settings.pgpool.pcp_port,
            "watchdog": settings.pgpool.wd_port,
        },
        data_directory=postgres_layout.DATA_DIRECTORY,
        users=postgres_layout.USERS,
        auth=settings.auth,
        restart=settings.pgpool.restart,
        timings=settings.pgpool.timings,
        overrides=settings.pgpool.parameters,
        passwords=GIVEN,
    )


def postgres_args(settings: LabSettings) -> PostgresArgs:
    return PostgresArgs(
        node=NODE,
        addresses=[node.name for node in settings.nodes],
        distribution=settings.image.distribution,
        version=settings.postgresql.version,
        source=settings.postgresql.source,
        port=settings.postgresql.port,
        cidr=str(settings.network.cidr),
        auth=settings.auth,
        passwords=GIVEN,
    )


def files(settings: LabSettings, index: int = 0) -> dict[str, NodeFile]:
    """Every rendered file of one node, by its path."""
    key = (settings.model_dump_json(), index)
    if key not in KEPT:
        KEPT[key] = rendered_files(settings, index)
    return KEPT[key]


KEPT: dict[tuple[str, int], dict[str, NodeFile]] = {}
"""Many tests look at the same combination."""


def rendered_files(settings: LabSettings, index: int) -> dict[str, NodeFile]:
    args = pgpool_args(settings, index)
    found = [*postgres_files(postgres_args(settings)), *pgpool_files(args, configuration(args, PASSWORDS))]
    assert len({file.path for file in found}) == len(found), "each file is written once"
    return {file.path: file for file in found}


def text(file: NodeFile) -> str:
    assert isinstance(file.content, str)
    return file.content


def parameters(conf: str) -> list[tuple[str, str]]:
    """Names and literal values in a pgpool.conf or postgresql.conf, in the order of the file."""
    lines = [line for line in conf.splitlines() if line.strip() and not line.startswith("#")]
    return [(name.strip(), value.strip()) for name, _, value in (line.partition(" = ") for line in lines)]


def pgpool_conf(settings: LabSettings, index: int = 0) -> dict[str, str]:
    return dict(parameters(text(files(settings, index)[pgpool_layout.CONFIG_FILE])))


# Every combination


@pytest.fixture(params=COMBINATIONS, ids=lambda values: "-".join(str(value) for value in values))
def settings(request: pytest.FixtureRequest) -> LabSettings:
    auth, preset, replication, mesh, size = request.param
    return lab(auth, preset, replication, mesh, size)


def test_every_file_renders_completely(settings: LabSettings) -> None:
    for index, node in enumerate(settings.nodes):
        for path, file in files(settings, index).items():
            assert text(file).endswith("\n") or path == pgpool_layout.KEY_FILE
            assert not re.search(r"\{[{%#]|[%#}]\}|Undefined|\bNone\b", text(file)), path
        known = node_configuration(settings, lab="lab", node=node.name)
        assert json.loads(json.dumps(known)) == known, "it travels as JSON"


def test_no_parameter_is_given_twice(settings: LabSettings) -> None:
    rendered = files(settings)
    for path in (pgpool_layout.CONFIG_FILE, postgres_layout.CONFIG_FILE):
        names = [name for name, _ in parameters(text(rendered[path])) if name]
        assert len(names) > 20
        assert sorted(set(names)) == sorted(names)


def test_pgpool_knows_every_parameter(settings: LabSettings) -> None:
    for index in range(len(settings.nodes)):
        assert {general(name) for name in pgpool_conf(settings, index)} <= known(parse(settings.pgpool.version))


def test_every_node_has_its_own_numbered_parameters(settings: LabSettings) -> None:
    conf = pgpool_conf(settings)
    backends = [node.name for node in settings.nodes]
    for name, order in (
        ("backend_hostname", backends),
        ("hostname", backends[::-1]),
        ("heartbeat_hostname", backends[::-1]),
    ):
        found = {key: value for key, value in conf.items() if general(key) == f"{name}N"}
        assert found == {f"{name}{index}": f"'{node}'" for index, node in enumerate(order)}


def test_whoever_is_told_last_that_the_leader_is_gone_is_the_one_to_be_elected(settings: LabSettings) -> None:
    """One that stands for leader while a peer cannot answer yet waits five seconds for it."""
    conf = pgpool_conf(settings)
    told = [conf[f"hostname{number}"].strip("'") for number in range(len(settings.nodes))]
    priorities = {
        node.name: int(pgpool_conf(settings, index)["wd_priority"]) for index, node in enumerate(settings.nodes)
    }
    assert [priorities[name] for name in told] == sorted(priorities.values())
    for index, node in enumerate(settings.nodes):
        number = int(text(files(settings, index)[f"{pgpool_layout.CONFIGURATION}/pgpool_node_id"]))
        assert told[number] == node.name


def test_nodes_differ_only_where_they_must(settings: LabSettings) -> None:
    first = files(settings)
    for index in range(1, len(settings.nodes)):
        other = files(settings, index)
        different = {path for path in first if text(first[path]) != text(other[path])}
        unit = f"/etc/systemd/system/{pgpool_layout.SERVICE}"
        assert different == {pgpool_layout.CONFIG_FILE, f"{pgpool_layout.CONFIGURATION}/pgpool_node_id", unit}
        mine, theirs = pgpool_conf(settings), pgpool_conf(settings, index)
        assert {name for name in mine if mine[name] != theirs[name]} == {"wd_priority"}
        assert set(mine) == set(theirs)
        known = [node_configuration(settings, lab="lab", node=settings.nodes[n].name) for n in (0, index)]
        assert {key for key in known[0] if known[0][key] != known[1][key]} == {"name"}


def test_passwords_are_only_in_files_that_others_cannot_read(settings: LabSettings) -> None:
    secrets = [*PASSWORDS.values(), hashlib.md5(PASSWORDS["pcp"].encode()).hexdigest()]
    holding = {path: file for path, file in files(settings).items() if any(secret in text(file) for secret in secrets)}
    assert set(holding) == {
        pgpool_layout.CONFIG_FILE,
        f"{pgpool_layout.CONFIGURATION}/pcp.conf",
        pgpool_layout.PASSWORD_FILE,
        pgpool_layout.KEY_FILE,
        postgres_layout.PASSWORD_FILE,
    }
    assert {path for path, file in holding.items() if file.mode not in ("0600", "0640")} == set()


def test_the_agent_s_configuration_has_no_secret(settings: LabSettings) -> None:
    known = json.dumps(node_configuration(settings, lab="lab", node="node0"))
    assert "secret" not in known
    assert known.count("password") == 1, "password_encryption alone"


def test_only_the_lab_s_subnet_is_let_in(settings: LabSettings) -> None:
    rendered = files(settings)
    for path in (postgres_layout.HBA_FILE, f"{pgpool_layout.CONFIGURATION}/pool_hba.conf"):
        lines = [line.split() for line in text(rendered[path]).splitlines() if not line.startswith("#")]
        assert {line[3] for line in lines if line[0] == "host"} == {"127.0.0.1/32", "192.168.31.0/24"}
        method = {"scram": "scram-sha-256", "md5": "md5", "trust": "trust"}[settings.auth]
        assert {line[-1] for line in lines if line[0] == "host"} == {method}


# Single settings


@pytest.mark.parametrize("preset", PRESETS)
def test_every_timing_of_a_preset_reaches_pgpool(preset: str) -> None:
    conf = pgpool_conf(lab(preset=preset))
    timings = {name: value for name, value in PRESETS[preset].items() if name != "fail_over_on_backend_error"}
    assert {name: conf[name] for name in timings} == {name: literal(value) for name, value in timings.items()}
    assert "fail_over_on_backend_error" not in conf, "its name until 3.7"


def test_presets_set_the_same_parameters() -> None:
    assert {frozenset(preset) for preset in PRESETS.values()} == {frozenset(PRESETS["fast"])}


def test_a_given_parameter_replaces_the_lab_s_own() -> None:
    conf = pgpool_conf(lab(health_check_period=7, load_balance_mode=False, num_init_children=5))
    assert (conf["health_check_period"], conf["load_balance_mode"], conf["num_init_children"]) == ("7", "off", "5")


def test_a_parameter_that_the_lab_does_not_set_is_added() -> None:
    assert pgpool_conf(lab(relcache_expire=60))["relcache_expire"] == "60"
    assert "relcache_expire" not in pgpool_conf(lab())


def test_the_first_node_leads_when_all_start_together() -> None:
    priorities = [int(pgpool_conf(lab(size=3), index)["wd_priority"]) for index in range(3)]
    assert priorities == sorted(priorities, reverse=True)
    assert len(set(priorities)) == 3


@pytest.mark.parametrize(("size", "expected"), [(2, "on"), (3, "off"), (4, "on")])
def test_half_of_the_votes_is_a_quorum_for_an_even_number_of_nodes(size: int, expected: str) -> None:
    assert pgpool_conf(lab(size=size))["enable_consensus_with_half_votes"] == expected


@pytest.mark.parametrize(("auth", "hba", "passwd"), [("scram", "on", "'pool_passwd'"), ("trust", "off", "''")])
def test_trust_needs_no_passwords_in_pgpool(auth: str, hba: str, passwd: str) -> None:
    conf = pgpool_conf(lab(auth))
    assert (conf["enable_pool_hba"], conf["pool_passwd"]) == (hba, passwd)


@pytest.mark.parametrize(("auth", "stored"), [("scram", "scram-sha-256"), ("md5", "md5"), ("trust", "scram-sha-256")])
def test_postgresql_stores_passwords_as_pgpool_needs_them(auth: str, stored: str) -> None:
    conf = dict(parameters(text(files(lab(auth))[postgres_layout.CONFIG_FILE])))
    assert conf["password_encryption"] == f"'{stored}'"
    assert node_configuration(lab(auth), lab="lab", node="node0")["password_encryption"] == stored


def test_every_placeholder_of_the_failover_command_is_quoted() -> None:
    command = pgpool_conf(lab())["failover_command"].strip("'")
    assert re.findall(r"(\S*)%\w(\S*)", command) == [('"', '"')] * 5
    assert command.split()[1:] == ['"%d"', '"%h"', '"%P"', '"%m"', '"%H"']


def test_two_standbys_or_more_are_re_pointed_after_a_failover() -> None:
    assert "follow_primary_command" not in pgpool_conf(lab(size=2))
    assert pgpool_layout.FOLLOW not in files(lab(size=2))
    for size in (3, 4):
        command = pgpool_conf(lab(size=size))["follow_primary_command"].strip("'").split()
        assert command == [pgpool_layout.FOLLOW, '"%d"', '"%h"', '"%P"', '"%m"', '"%H"']
        assert files(lab(size=size))[pgpool_layout.FOLLOW].mode == "0755"


def test_the_last_of_three_takes_the_virtual_ip_when_the_others_were_stopped() -> None:
    assert "wd_remove_shutdown_nodes" not in pgpool_conf(lab(size=2))
    assert pgpool_conf(lab(size=3))["wd_remove_shutdown_nodes"] == "on"
    assert pgpool_conf(lab(size=3))["enable_consensus_with_half_votes"] == "off"
    assert pgpool_conf(lab(size=3, wd_remove_shutdown_nodes=False))["wd_remove_shutdown_nodes"] == "off"


def stubbed(script: str, folder: Path, *arguments: str, **stubs: str) -> list[str]:
    """What a script called, one call a line, when it and the programs named in `stubs` are alone in a folder."""
    status, called = ended(script, folder, *arguments, **stubs)
    assert status == 0
    return called


def ended(script: str, folder: Path, *arguments: str, said: str = "", **stubs: str) -> tuple[int, list[str]]:
    """The exit status of such a script, which reads `said` from its standard input, and what it called.

    What it left in the background has ended by then.
    """
    log = folder / "log"
    log.write_text("")
    path = folder / "script"
    for ours, stand_in in STAND_INS.items():
        script = script.replace(ours, str(folder / stand_in))
    path.write_text(script)
    path.chmod(0o755)
    for name, body in stubs.items():
        (folder / name).write_text(f"#!/bin/bash\nlog={log}\n{body}\n")
        (folder / name).chmod(0o755)
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "HOSTNAME": "node0"}
    reader, held = os.pipe()
    done = subprocess.run([path, *arguments], check=False, env=environment, input=said, text=True, pass_fds=[held])
    os.close(held)
    left = not select.select([reader], [], [], 30)[0]
    os.close(reader)
    assert not left, "something still runs"
    return done.returncode, sorted(log.read_text().splitlines())


STAND_INS = {
    "/var/log/pgpool-lab": "",
    pgpool_layout.VIRTUAL_IP: "lab-vip",
    f"{pgpool_layout.PREFIX}/bin": "",
    "/proc/net/tcp": "listening",
}
"""Files of a node, and what stands in for them below the folder."""


def listening(folder: Path, port: int = 9999) -> None:
    """Write the kernel's table of a node where something listens on a port."""
    (folder / "listening").write_text(
        f"  sl  local_address\n   0: 00000000:{port:04X} 00000000:0000 0A 00000000:00000000\n"
    )


@pytest.mark.parametrize("arguments", [[], ["3"]], ids=["before it is taken", "in the background"])
@pytest.mark.parametrize(("contested", "entered"), [("true", ["node1", "node2"]), ("false", [])])
def test_the_virtual_ip_is_taken_off_every_peer_if_one_answers_for_it(
    contested: str, entered: list[str], arguments: list[str], tmp_path: Path
) -> None:
    called = stubbed(
        text(files(lab(size=3))[pgpool_layout.ESCALATION]),
        tmp_path,
        *arguments,
        **{
            "lab-vip": f'echo "$*" >>$log; [ "$1" != contested ] || {contested}',
            "ssh": 'echo "${@: -5}" >>$log',
            "setsid": "true",
        },
    )
    asked = f"contested {arguments[0] if arguments else 0.5}"
    cleared = [f"postgres@{node} sudo -n {tmp_path}/lab-vip down" for node in entered]
    assert called == [asked, *cleared, *([] if arguments else ["take"])]


def test_an_answer_that_comes_late_is_waited_for_in_the_background() -> None:
    script = text(files(lab(size=3))[pgpool_layout.ESCALATION])
    assert re.search(r'elif \[ \$# = 0 \]; then\n    setsid "\$0" 3 &\nfi$', script, re.MULTILINE)


LIMIT = '[ "$1" != -k ] || shift 2; shift; exec "$@"'
"""A stub of `timeout` that sets no limit."""


@pytest.mark.parametrize(
    ("status", "succeeded", "skipped", "failed", "asked"),
    [
        ("up", "2026-11-27 10:00:58", "", "2026-11-27 10:01:09", True),
        ("waiting", "2026-11-27 10:00:58", "2026-11-27 10:00:42", "2026-11-27 10:01:09", True),
        ("quarantine", "2026-11-27 10:00:58", "", "2026-11-27 10:01:09", True),
        ("up", "", "", "2026-11-27 10:01:09", True),
        ("up", "2026-11-27 10:01:11", "", "2026-11-27 10:01:09", False),
        ("up", "2026-11-27 10:01:11", "", "", False),
        ("waiting", "2026-11-27 10:00:58", "2026-11-27 10:01:13", "2026-11-27 10:01:09", False),
        ("down", "2026-11-27 10:00:58", "", "2026-11-27 10:01:09", False),
    ],
    ids=[
        *("given up", "taken back in", "without a quorum", "never seen", "well again", "never failed", "attached"),
        "detached",
    ],
)
@pytest.mark.parametrize("connects", [False, True])
def test_a_new_leader_asks_again_for_what_was_refused_while_it_was_elected(
    status: str, succeeded: str, skipped: str, failed: str, asked: bool, connects: bool, tmp_path: Path
) -> None:
    told = {
        "Node Id": "0",
        "Status": status,
        "Role": "primary",
        "Last Status Change": "2026-11-27 10:00:40",
        "Last Health Check": failed or succeeded,
        "Last Successful Health Check": succeeded,
        "Last Skip Health Check": skipped,
        "Last Failed Health Check": failed,
    }
    (tmp_path / "health").write_text("".join(f"{title:<29} : {value}\n" for title, value in told.items()))
    called = stubbed(
        text(files(lab())[pgpool_layout.ESCALATION]),
        tmp_path,
        **{
            "lab-vip": '[ "$1" = take ]',
            "timeout": f'[ "$1" != 0.5 ] || exit {0 if connects else 1}; {LIMIT}',
            "pcp_health_check_stats": f'echo "$*" >>$log; [ "${{@: -2:1}}" = 0 ] || exit 1; cat {tmp_path}/health',
            "pcp_detach_node": 'echo "detach ${@: -1}" >>$log',
            "setsid": "true",
        },
    )
    questions = [f"-h localhost -p 9898 -U pcp -w -n {backend} -v" for backend in (0, 1)]
    assert called == [*questions, *(["detach 0"] if asked and not connects else [])]


def test_the_virtual_ip_does_not_wait_for_what_is_asked_again(tmp_path: Path) -> None:
    called = stubbed(
        text(files(lab())[pgpool_layout.ESCALATION]),
        tmp_path,
        **{
            "lab-vip": f'[ "$1" != take ] || touch {tmp_path}/taken',
            "ssh": "true",
            "timeout": LIMIT,
            "pcp_health_check_stats": f"for _ in {{1..50}}; do [ ! -e {tmp_path}/taken ] || exit; sleep 0.1; done; "
            "echo late >>$log",
        },
    )
    assert called == []


@pytest.mark.parametrize("size", [2, 3, 4])
def test_a_holder_that_is_stopped_hands_the_virtual_ip_over(size: int) -> None:
    assert pgpool_conf(lab(size=size))["wd_de_escalation_command"] == f"'{pgpool_layout.DEESCALATION}'"


@pytest.mark.parametrize(
    ("statuses", "asked"),
    [
        ({"node1": 0}, ["node1"]),
        ({"node1": 3, "node2": 0}, ["node1", "node2"]),
        ({"node1": 3, "node2": 3}, ["node1", "node2"]),
        ({"node1": 3.5, "node2": 0}, ["node1", "node2"]),
        ({"node1": 255}, ["node1"]),
        ({"node1": 124}, ["node1"]),
    ],
    ids=["the first takes it", "the first has no pgpool", "nobody has", "it says so late", "not reached", "too slow"],
)
def test_it_goes_to_the_first_node_whose_pgpool_runs_and_to_none_after_a_doubt(
    statuses: dict[str, float], asked: list[str], tmp_path: Path
) -> None:
    takes = 'read -r; echo taken; read -r; echo "$host was told" >>$log; exit 0'
    listening(tmp_path, 5432)
    answers = "".join(
        f"postgres@{node}) {takes if status == 0 else f'sleep {5 * (status % 1)}; exit {int(status)}'};; "
        for node, status in statuses.items()
    )
    called = stubbed(
        text(files(lab(size=3))[pgpool_layout.DEESCALATION]),
        tmp_path,
        **{
            "lab-vip": 'echo "lab-vip $*" >>$log',
            "ssh": f'host=${{@: -2:1}}; echo "$host" >>$log; case $host in {answers} esac; exit 99',
        },
    )
    told = [f"postgres@{node} was told" for node in asked if statuses[node] == 0]
    assert sorted(set(called)) == sorted(["lab-vip down", *(f"postgres@{node}" for node in asked), *told])


@pytest.mark.parametrize("first", ["true", "[ ${@: -2:1} != postgres@node1 ] || exit 3"], ids=["first", "second"])
def test_the_address_stays_until_the_successor_has_taken_it(first: str, tmp_path: Path) -> None:
    listening(tmp_path, 5432)
    called = stubbed(
        text(files(lab(size=3))[pgpool_layout.DEESCALATION]),
        tmp_path,
        **{
            "lab-vip": f"sleep 0.1; touch {tmp_path}/down",
            "ssh": f"{first}; sleep 0.5; held() {{ [ -e {tmp_path}/down ] && echo gone || echo held; }}; "
            'read -r; echo "1 $(held)" >>$log; echo taken; read -r; echo "2 $(held)" >>$log',
        },
    )
    assert called == ["1 held", "2 gone"]


def test_a_holder_lets_go_of_the_address_when_its_successor_does_not_answer(tmp_path: Path) -> None:
    listening(tmp_path, 5432)
    called = stubbed(
        text(files(lab(size=3))[pgpool_layout.DEESCALATION]),
        tmp_path,
        **{"lab-vip": 'echo "lab-vip $*" >>$log', "ssh": "read -r; read -r; echo told >>$log"},
    )
    assert called == ["lab-vip down", "told"]


def test_a_leader_that_resigns_and_goes_on_hands_nothing_over(tmp_path: Path) -> None:
    script = text(files(lab(size=3))[pgpool_layout.DEESCALATION])
    listening(tmp_path)
    stubs = {"lab-vip": 'echo "lab-vip $*" >>$log', "ssh": "read -r && echo told >>$log", "sleep": "true"}
    assert stubbed(script, tmp_path, **stubs) == ["lab-vip down"]


def test_only_a_node_whose_pgpool_listens_is_handed_the_address(tmp_path: Path) -> None:
    script = text(files(lab())[pgpool_layout.DEESCALATION])
    asked = re.search(r"'(.* \|\| exit 3); sudo -n /usr/local/sbin/lab-vip accept'", script)
    assert asked
    for port, status in ((9999, 0), (5432, 3)):
        listening(tmp_path, port)
        command = asked[1].replace("/proc/net/tcp", str(tmp_path / "listening"))
        assert subprocess.run(["bash", "-c", command], check=False).returncode == status


@pytest.mark.parametrize(("answered", "given_up"), [("exit 1", True), ("exit 0", False)])
def test_an_address_that_was_handed_over_is_given_up_to_who_holds_it(
    answered: str, given_up: bool, tmp_path: Path
) -> None:
    script = text(files(lab(size=3))[pgpool_layout.VIRTUAL_IP])
    called = stubbed(script, tmp_path, "yield", ip=addresses(held=True), arping=answered)
    assert called == (["ip addr del 192.168.31.139/32 dev eth0"] if given_up else [])


@pytest.mark.parametrize("holder", ["grep -q taken", "true"], ids=["waits", "is gone"])
def test_whoever_took_the_address_asks_in_the_end_whether_it_is_contested(holder: str, tmp_path: Path) -> None:
    listening(tmp_path)
    script = f"#!/bin/bash\n(sleep 0.3; {tmp_path}/taker accept) | {holder}"
    taker = text(files(lab(size=3))[pgpool_layout.VIRTUAL_IP]).replace("/proc/net/tcp", str(tmp_path / "listening"))
    (tmp_path / "taker").write_text(taker)
    (tmp_path / "taker").chmod(0o755)
    stubs = {"ip": addresses(held=False), "setsid": 'echo "setsid $*" >>$log'}
    status, called = ended(script, tmp_path, said="\n", **stubs)
    assert status == 0
    assert f"setsid {tmp_path}/taker yield" in called


def test_a_holder_that_dies_before_it_says_that_it_stops_hands_nothing_over(tmp_path: Path) -> None:
    listening(tmp_path)
    script = text(files(lab(size=3))[pgpool_layout.VIRTUAL_IP])
    status, called = ended(script, tmp_path, "accept", ip=addresses(held=False), setsid="true")
    assert (status, called) == (1, [])


@pytest.mark.parametrize(("port", "taken"), [(9999, True), (5432, False)], ids=["pgpool runs", "it has been stopped"])
def test_who_is_asked_takes_the_address_if_its_pgpool_still_runs(port: int, taken: bool, tmp_path: Path) -> None:
    listening(tmp_path, port)
    script = text(files(lab(size=3))[pgpool_layout.VIRTUAL_IP])
    _, called = ended(script, tmp_path, "accept", said="\n", ip=addresses(held=False), setsid="true")
    assert any(line.startswith("ip addr replace 192.168.31.139/32") for line in called) == taken


@pytest.mark.parametrize("held", [True, False])
def test_a_pgpool_that_dies_leaves_the_address_a_second_later_and_none_is_not_waited_for(
    held: bool, tmp_path: Path
) -> None:
    unit = text(files(lab())[f"/etc/systemd/system/{pgpool_layout.SERVICE}"])
    assert f"\nExecStopPost=+{pgpool_layout.VIRTUAL_IP} leave\n" in unit
    script = text(files(lab())[pgpool_layout.VIRTUAL_IP])
    called = stubbed(script, tmp_path, "leave", ip=addresses(held=held), sleep='echo "a sleep $*" >>$log')
    assert called == (["a sleep 1", "ip addr del 192.168.31.139/32 dev eth0"] if held else [])


def addresses(*, held: bool) -> str:
    """A stub of `ip` on a node that has the virtual IP, or has not."""
    virtual_ip = 'echo "2: eth0 inet 192.168.31.139/32 scope"' if held else "true"
    node = 'echo "2: eth0 inet 192.168.31.133/24 scope"'
    return f'case "$*" in *"to 192.168.31.139") {virtual_ip};; *" show "*) {node};; *) echo "ip $*" >>$log;; esac'


@pytest.mark.parametrize(
    ("held", "answered", "status", "taken"),
    [(True, "exit 1", 0, False), (False, "exit 0", 0, True), (False, "exit 1", 1, False)],
    ids=["a new holder has it", "it is free", "another host answers"],
)
def test_a_leader_that_finds_the_virtual_ip_taken_leaves_it_and_starts_anew(
    held: bool, answered: str, status: int, taken: bool, tmp_path: Path
) -> None:
    script = text(files(lab(size=3))[pgpool_layout.VIRTUAL_IP])
    restarts = f"    if contested 0.5; then\n            setsid sudo -n {pgpool_layout.RESTART} "
    assert restarts in script
    stubs = {"ip": addresses(held=held), "arping": answered, "setsid": "true"}
    left, called = ended(script, tmp_path, "up", **stubs)
    assert left == status
    assert any(line.startswith("ip addr replace") for line in called) == taken


def test_the_first_node_is_elected_when_all_start_together() -> None:
    settings = lab(size=4)
    priorities = [int(pgpool_conf(settings, index)["wd_priority"]) for index in range(4)]
    assert priorities == sorted(priorities, reverse=True)


@pytest.mark.parametrize(("mesh", "account"), [("full", "root"), ("service", "postgres")])
def test_nodes_enter_each_other_as_the_mesh_allows(mesh: str, account: str) -> None:
    assert node_configuration(lab(mesh=mesh), lab="lab", node="node0")["ssh_account"] == account


def test_nodes_are_known_in_backend_order() -> None:
    known = node_configuration(lab(size=3), lab="lab", node="node1")
    assert [(node["name"], node["backend_id"]) for node in known["nodes"]] == [("node0", 0), ("node1", 1), ("node2", 2)]
    assert known["postgresql"]["data_directory"] == postgres_layout.DATA_DIRECTORY


def test_the_service_account_may_be_root_for_named_commands_only() -> None:
    sudoers = text(files(lab(size=3))["/etc/sudoers.d/pgpool-lab"])
    assert files(lab())["/etc/sudoers.d/pgpool-lab"].mode == "0440"
    commands = sudoers.replace("\\\n", "").split("NOPASSWD:")[1].split(",")
    assert [command.strip() for command in commands] == [
        "/usr/local/sbin/lab-vip down",
        "/usr/local/sbin/lab-vip accept",
        pgpool_layout.RESTART,
        FENCE,
        *(f"/usr/bin/ss -K state connected dst 192.168.31.{10 + index} dport \\= 5432" for index in range(3)),
        "/usr/local/sbin/lab-node local *",
        "/usr/local/sbin/lab-node facts",
        "/usr/local/sbin/lab-node facts --settled",
    ]


@pytest.mark.parametrize("size", [2, 3])
def test_scripts_are_well_formed(size: int) -> None:
    for path, file in files(lab(size=size)).items():
        if text(file).startswith("#!/usr/bin/env bash\n"):
            program = [str(Path(sys.executable).parent / "shellcheck"), "-s", "bash", "-"]
            found = subprocess.run(program, input=text(file), capture_output=True, text=True, check=False)
            assert not found.stdout, path


def test_scripts_can_be_executed() -> None:
    scripts = {path: file for path, file in files(lab()).items() if text(file).startswith("#!")}
    assert set(scripts) == {
        pgpool_layout.FAILOVER,
        pgpool_layout.ESCALATION,
        pgpool_layout.DEESCALATION,
        pgpool_layout.VIRTUAL_IP,
        FENCE,
    }
    assert {file.mode for file in scripts.values()} == {"0755"}


def test_the_failover_script_may_go_before_everything_else_of_pgpool() -> None:
    rendered = files(lab())
    (nice,) = re.findall(r"^exec nice -n (-\d+) ", text(rendered[pgpool_layout.FAILOVER]), re.MULTILINE)
    unit = text(rendered[f"/etc/systemd/system/{pgpool_layout.SERVICE}"])
    assert f"\nLimitNICE={20 - int(nice)}\n" in unit


def test_clients_that_vanish_give_their_children_back_within_seconds() -> None:
    unit = text(files(lab())[f"/etc/systemd/system/{pgpool_layout.SERVICE}"])
    (line,) = [line for line in unit.splitlines() if "sysctl" in line]
    kernel = dict(word.removeprefix("net.ipv4.tcp_keepalive_").split("=") for word in line.split()[3:])
    assert int(kernel["time"]) + int(kernel["intvl"]) * int(kernel["probes"]) <= 15


def test_pgpool_keeps_a_login_to_every_peer() -> None:
    unit = text(files(lab(size=3), index=1)[f"/etc/systemd/system/{pgpool_layout.SERVICE}"])
    for word in ("Wants", "After"):
        assert f"\n{word}=lab-ssh@node0.service lab-ssh@node2.service\n" in unit
    login = (SSH_MESH / SHARED_LOGIN).read_text()
    assert "\nUser=postgres\n" in login and "[Install]" not in login
    assert re.search("^ExecStart=/usr/bin/ssh -N -o ControlMaster=auto .* postgres@%i$", login, re.MULTILINE)


def test_what_clients_wait_for_uses_the_connection_that_is_kept() -> None:
    (kept,) = re.findall("-o (ControlPath=[^ ]+) ", (SSH_MESH / SHARED_LOGIN).read_text())
    assert kept.replace("%%", "%") == KEPT_CONNECTION
    for path in (pgpool_layout.ESCALATION, pgpool_layout.DEESCALATION):
        (login,) = re.findall("ssh .*postgres@", text(files(lab())[path]))
        # In quotes: the shell would put its own home directory for the tilde.
        assert f" -o '{KEPT_CONNECTION}' " in login


def test_a_node_that_the_others_names_lack_is_entered_by_its_address(tmp_path: Path) -> None:
    unnamed = cast("list[Node]", [SimpleNamespace(name="witness", ip="192.168.31.2")])
    (tmp_path / "config").write_text(client_configuration(unnamed))
    for node, address in (("node1", "node1"), ("witness", "192.168.31.2")):
        program = ["ssh", "-G", "-F", str(tmp_path / "config"), f"postgres@{node}"]
        told = subprocess.run(program, capture_output=True, text=True, check=True).stdout.splitlines()
        assert f"hostname {address}" in told and "kexalgorithms curve25519-sha256" in told


def test_no_service_starts_by_itself_at_boot() -> None:
    units = {path: text(file) for path, file in files(lab()).items() if path.endswith(".service")}
    assert len(units) == 2
    assert not any("[Install]" in unit for unit in units.values())
    assert all("\nRestart=no\n" in unit for unit in units.values())


def test_pgpool_and_its_key_and_password_files_belong_to_the_service_account() -> None:
    rendered = files(lab())
    for path in (pgpool_layout.CONFIG_FILE, pgpool_layout.KEY_FILE, pgpool_layout.PASSWORD_FILE):
        assert (rendered[path].mode, rendered[path].owner) == ("0600", "postgres:postgres")


def test_the_password_file_knows_every_address_and_user_on_whatever_port() -> None:
    lines = [line.split(":") for line in text(files(lab())[postgres_layout.PASSWORD_FILE]).splitlines()]
    assert all(len(line) == 5 for line in lines)
    assert {(line[3], line[4]) for line in lines} == {
        (user, PASSWORDS[part]) for part, user in postgres_layout.USERS.items()
    }
    assert {(line[0], line[1]) for line in lines} == {
        (address, "*") for address in ("node0", "node1", "localhost", "127.0.0.1")
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, "on"), (False, "off"), (0, "0"), (1, "1"), ("", "''"), ("a b", "'a b'"), ("it's", "'it\\'s'")],
)
def test_a_value_is_written_as_pgpool_reads_it(value: Value, expected: str) -> None:
    assert literal(value) == expected


def test_an_undefined_name_in_a_template_is_an_error(tmp_path: Path) -> None:
    template = tmp_path / "template.j2"
    template.write_text("{{ known }} {{ unknown }}\n")
    with pytest.raises(UndefinedError, match="unknown"):
        render(template, known=1)
    assert render(template, known=1, unknown=2) == "1 2\n"


# A witness


def with_witness(size: int = 2, release: str = "4.3.5", **parameters: Value) -> LabSettings:
    """A lab with a witness, as if that pgpool could be had."""
    settings = lab("md5" if parse(release) < (4, 0) else "scram", size=size)
    own = settings.pgpool.model_copy(update={"version": release, "parameters": parameters})
    return settings.model_copy(update={"witness": True, "pgpool": own})


def witness_files(settings: LabSettings) -> dict[str, NodeFile]:
    """pgpool's files on the witness, by their paths."""
    args = pgpool_args(settings, len(settings.nodes))
    return {file.path: file for file in pgpool_files(args, configuration(args, PASSWORDS))}


def witness_conf(settings: LabSettings) -> dict[str, str]:
    return dict(parameters(text(witness_files(settings)[pgpool_layout.CONFIG_FILE])))


def test_a_witness_is_a_member_and_no_backend() -> None:
    settings = with_witness()
    for conf in (pgpool_conf(settings), pgpool_conf(settings, 1), witness_conf(settings)):
        told = {kind: [conf[f"{kind}{index}"] for index in range(3)] for kind in ("hostname", "heartbeat_hostname")}
        assert set(map(tuple, told.values())) == {("'192.168.31.2'", "'node1'", "'node0'")}
        assert (conf["wd_port2"], conf["pgpool_port2"]) == ("9000", "9999")
        assert {name for name in conf if name.startswith("backend_hostname")} == {
            "backend_hostname0",
            "backend_hostname1",
        }
    assert text(witness_files(settings)[f"{pgpool_layout.CONFIGURATION}/pgpool_node_id"]) == "0\n"


def test_two_nodes_and_a_witness_have_a_majority_as_three_nodes_have() -> None:
    settings = with_witness()
    for conf in (pgpool_conf(settings), witness_conf(settings)):
        assert (conf["enable_consensus_with_half_votes"], conf["wd_remove_shutdown_nodes"]) == ("off", "on")
        assert (conf["failover_when_quorum_exists"], "follow_primary_command" in conf) == ("on", False)
    assert witness_conf(with_witness(size=4))["follow_primary_command"].startswith(f"'{pgpool_layout.FOLLOW} ")
    assert pgpool_layout.FOLLOW in witness_files(with_witness(size=4))


def test_a_witness_differs_where_it_must() -> None:
    settings = with_witness()
    node, witness = pgpool_conf(settings), witness_conf(settings)
    assert set(node) == set(witness)
    assert {name: witness[name] for name in node if node[name] != witness[name]} == {
        "wd_priority": "0",
        "delegate_IP": "''",
        "wd_escalation_command": "''",
        "wd_de_escalation_command": "''",
        "health_check_period": "0",
        "sr_check_period": "0",
        "failover_on_backend_shutdown": "off",
        "failover_on_backend_error": "off",
    }


def test_what_a_user_sets_does_not_make_a_witness_judge_backends() -> None:
    settings = with_witness(health_check_period=7, health_check_period1=5, max_pool=3)
    node, witness = pgpool_conf(settings), witness_conf(settings)
    assert (node["health_check_period"], node["health_check_period1"], node["max_pool"]) == ("7", "5", "3")
    assert (witness["health_check_period"], witness["health_check_period1"], witness["max_pool"]) == ("0", "0", "3")


def test_nothing_on_a_witness_or_for_it_moves_the_virtual_ip() -> None:
    settings = with_witness()
    rendered = witness_files(settings)
    moving = {pgpool_layout.VIRTUAL_IP, pgpool_layout.ESCALATION}
    assert not moving & set(rendered)
    for path in set(rendered) - {pgpool_layout.CONFIG_FILE}:
        assert "lab-vip" not in text(rendered[path]), path
    for path in moving:
        assert "witness" not in text(files(settings)[path])
        assert "192.168.31.2" not in text(files(settings)[path]).split()


def test_a_witness_carries_out_a_failover_and_hands_over_the_lead() -> None:
    rendered = witness_files(with_witness())
    assert rendered[pgpool_layout.FAILOVER].mode == "0755"
    unit = text(rendered[f"/etc/systemd/system/{pgpool_layout.SERVICE}"])
    assert "\nWants=lab-witness.service\n" in unit
    assert "ExecStopPost" not in unit
    assert "lab-witness" not in text(files(with_witness())[f"/etc/systemd/system/{pgpool_layout.SERVICE}"])
    commands = text(rendered["/etc/sudoers.d/pgpool-lab"]).replace("\\\n", "").split("NOPASSWD:")[1].split(",")
    assert [command.strip() for command in commands] == [
        "/usr/local/sbin/lab-node local *",
        "/usr/local/sbin/lab-node facts",
        "/usr/local/sbin/lab-node facts --settled",
    ]


@pytest.mark.parametrize("release", [release for release in RELEASES if traits(release).election == "vote"])
def test_every_pgpool_with_votes_knows_what_a_witness_is_told(release: str) -> None:
    settings = with_witness(release=release)
    conf = witness_conf(settings)
    assert {general(name) for name in conf} <= known(parse(release))
    assert conf["wd_priority"] == "0"
    assert conf.get("delegate_ip", conf.get("delegate_IP")) == "''"
    others = {value for name, value in conf.items() if general(name) in ("hostnameN", "other_pgpool_hostnameN")}
    assert {"'node0'", "'node1'"} <= others
    assert ("'192.168.31.2'" in others) == (parse(release) >= (4, 2))
    told = {value for name, value in pgpool_conf(settings).items() if "hostname" in name}
    assert "'192.168.31.2'" in told


def test_the_agents_know_the_witness_and_nothing_of_one_that_is_not_there() -> None:
    settings = with_witness()
    known = [node_configuration(settings, lab="lab", node=name) for name in ("node0", "witness")]
    assert known[0]["witness"] == {"name": "witness", "ip": "192.168.31.2"}
    assert {key for key in known[0] if known[0][key] != known[1][key]} == {"name"}
    assert [node["name"] for node in known[1]["nodes"]] == ["node0", "node1"]
    assert "witness" not in node_configuration(lab(), lab="lab", node="node0")
