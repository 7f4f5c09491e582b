"""Units for an older systemd."""

from __future__ import annotations

import shlex

import pytest

from components.agent.agent import ISOLATION
from pgpool_lab.versions.units import adapted
from tests.unit.test_templates import files, text
from tests.unit.test_version_matrix import chosen

SERVICES = ("lab-pgpool.service", "lab-postgresql.service")


def unit(name: str) -> str:
    return text(files(chosen("3.2.9", "9.4", "trust"))[f"/etc/systemd/system/{name}"])


def values(unit: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in unit.splitlines() if line.startswith(f"{key}=")]


@pytest.mark.parametrize("name", SERVICES)
def test_a_present_systemd_gets_a_unit_as_it_is(name: str) -> None:
    assert adapted(unit(name), 249) == unit(name)


@pytest.mark.parametrize("name", SERVICES)
def test_an_old_one_gets_the_same_main_process_and_the_same_log(name: str) -> None:
    old = adapted(unit(name), 219)
    (before,), (after,) = values(unit(name), "ExecStart"), values(old, "ExecStart")
    (log,) = (value.removeprefix("append:") for value in values(unit(name), "StandardOutput"))
    assert shlex.split(after) == ["/bin/sh", "-c", f"exec {before} >>{log} 2>&1"]
    assert values(old, "StandardOutput") == values(old, "StandardError") == []
    assert values(old, "User") == ["postgres"]


def test_an_old_one_takes_the_virtual_ip_off_as_root_where_pgpool_ends() -> None:
    old = adapted(unit("lab-pgpool.service"), 219)
    assert "=+" not in old
    assert values(old, "PermissionsStartOnly") == ["yes"]
    assert values(old, "ExecStopPost") == [
        value.removeprefix("+") for value in values(unit("lab-pgpool.service"), "ExecStopPost")
    ]


@pytest.mark.parametrize("restart", ["no", "on-failure"])
def test_a_crashed_pgpool_is_started_again_where_the_settings_say_so(restart: str) -> None:
    settings = chosen("3.2.9", "9.4", "trust")
    pgpool = settings.pgpool.model_copy(update={"restart": restart})
    written = files(settings.model_copy(update={"pgpool": pgpool}))["/etc/systemd/system/lab-pgpool.service"]
    assert values(text(written), "Restart") == [restart]


def test_who_needs_no_root_is_given_none() -> None:
    assert "PermissionsStartOnly" not in adapted(unit("lab-postgresql.service"), 219)


def test_what_only_logs_keeps_its_log() -> None:
    (command,) = values(adapted(ISOLATION, 219), "ExecStart")
    assert command == "/bin/sh -c 'exec /usr/local/sbin/lab-node isolation >>/var/log/pgpool-lab/isolation.log 2>&1'"


@pytest.mark.parametrize("name", SERVICES)
def test_a_node_is_watched_for_its_isolation_as_long_as_postgresql_or_pgpool_runs(name: str) -> None:
    assert "lab-isolation.service" in values(unit(name), "Wants")
    assert values(ISOLATION, "StopWhenUnneeded") == ["yes"]
