"""pgpool's parameters: which are known, and which of them a user may set."""

from __future__ import annotations

from typing import Any

import pytest

from components.pgpool.parameters import pgpool_parameters
from pgpool_lab.errors import LabError
from pgpool_lab.settings import from_mapping, overrides
from pgpool_lab.settings.overrides import problem
from pgpool_lab.settings.presets import PRESETS
from pgpool_lab.versions.pgpool import traits
from pgpool_lab.versions.pgpool_parameters import general
from tests.unit.test_settings import VALID


@pytest.mark.parametrize(
    ("name", "expected"), [("backend_weight0", "backend_weightN"), ("max_pool", "max_pool"), ("wd_port12", "wd_portN")]
)
def test_a_node_s_number_is_left_out(name: str, expected: str) -> None:
    assert general(name) == expected


PROBLEMS: dict[str, str | None] = {
    "max_pool": None,
    "backend_weight0": None,
    "health_check_period1": None,
    "wd_remove_shutdown_nodes": None,
    "ssl": None,
    "max_pol": "max_pol: pgpool 4.3.5 has no such parameter (no version has it); did you mean max_pool?",
    "backend_wait1": "no such parameter (no version has it); did you mean backend_weightN?",
    "quux": "quux: pgpool 4.3.5 has no such parameter (no version has it)",
    # Of other releases, and of PostgreSQL.
    "fail_over_on_backend_error": None,
    "shared_buffers": "no such parameter",
    "": "no such parameter",
    "port": "port: the lab sets it; set pgpool.port",
    "pgpool_port1": "set pgpool.port",
    "pcp_port": "set pgpool.pcp_port",
    "wd_port0": "set pgpool.wd_port",
    "backend_port0": "set postgresql.port",
    "delegate_IP": "set network.vip",
    "delegate_ip": "set network.vip",
    "backend_hostname1": "it follows from nodes",
    "enable_pool_hba": "set auth",
    "pool_passwd": "set auth",
    "sr_check_password": "users and passwords",
    "health_check_user0": "users and passwords",
    "wd_authkey": "users and passwords",
    "failover_command": "own scripts",
    "if_up_cmd": "moves the virtual IP",
    "pid_file_name": "where the lab put them",
    "backend_data_directory0": "where the lab put them",
    "listen_addresses": "every address",
    "wd_priority": "led by the first node",
    "use_watchdog": "watchdog cluster",
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_which_parameters_a_user_may_set(name: str) -> None:
    found, expected = problem(name, "4.3.5"), PROBLEMS[name]
    assert (found is None) == (expected is None)
    assert expected is None or expected in str(found)


def test_all_timings_are_the_user_s() -> None:
    assert [name for preset in PRESETS.values() for name in preset if problem(name, "4.3.5")] == []


def test_an_owned_parameter_is_named_once() -> None:
    names = [name for group, _ in overrides.OWNED for name in group.split()]
    assert sorted(set(names)) == sorted(names)


USER_S_TOO = {
    "num_init_children",
    "max_pool",
    "child_life_time",
    "log_line_prefix",
    "load_balance_mode",
    "delay_threshold",
    "disable_load_balance_on_write",
    "backend_weightN",
    "detach_false_primary",
    "auto_failback",
    "wd_lifecheck_method",
    "wd_monitoring_interfaces_list",
    "failover_when_quorum_exists",
    "failover_require_consensus",
    "enable_consensus_with_half_votes",
}
"""What the lab sets, and a user may set otherwise to see what comes of it."""


def test_whatever_else_the_lab_sets_is_its_own() -> None:
    groups = pgpool_parameters(
        traits=traits("4.3.5"),
        nodes=["a", "b"],
        members=["a", "b"],
        this="a",
        check_password="secret",
        vip="10.20.30.100",
        ports={"postgresql": 1, "pgpool": 2, "pcp": 3, "watchdog": 4},
        data_directory="/data",
        check_user="check",
        auth="scram",
        wd_authkey="key",
        wd_priority=1,
        timings=PRESETS["fast"],
        overrides={},
    )
    names = {general(name) for group in groups.values() for name in group} - set(PRESETS["fast"])
    assert {name for name in names if not problem(name, "4.3.5")} == USER_S_TOO


REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown": ({"max_pol": 3}, ["pgpool.parameters: max_pol: ", "did you mean max_pool?"]),
    "the lab's": ({"delegate_IP": "10.0.0.1"}, ["pgpool.parameters: delegate_IP: ", "network.vip"]),
    "all of them at once": ({"max_pol": 3, "port": 1, "max_pool": 3}, ["max_pol: ", "port: "]),
}


@pytest.mark.parametrize(("parameters", "expected"), REFUSED.values(), ids=REFUSED.keys())
def test_the_settings_refuse_them_in_one_error(parameters: dict[str, Any], expected: list[str]) -> None:
    with pytest.raises(LabError) as error:
        from_mapping(VALID | {"pgpool": {"parameters": parameters}}, "stack.yaml")
    assert [text for text in expected if text not in str(error.value)] == []
    assert len(str(error.value).splitlines()) == 3, "what it is about, the error, the next step"


def test_an_unknown_version_is_its_own_error() -> None:
    with pytest.raises(LabError, match=r"pgpool.version: unknown") as error:
        from_mapping(VALID | {"pgpool": {"version": "9.9", "parameters": {"max_pol": 3}}}, "stack.yaml")
    assert "max_pol" not in str(error.value)
