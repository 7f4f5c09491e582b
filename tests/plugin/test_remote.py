"""Connections: retry, limit, host keys, secrets, environment."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from tests.plugin.engine import Resource, Stack
from tests.plugin.sshd import Sshd, make_key


def command(connection: dict[str, Any], **arguments: Any) -> Resource:
    return Resource("one", "remote.Command", {"connection": connection, **arguments})


def test_waits_for_a_server_that_comes_late(stack: Stack, closed_sshd: Sshd) -> None:
    late = threading.Timer(3, closed_sshd.start)
    late.start()
    up = stack.up(command(closed_sshd.connection(dial_error_limit=50), create="echo there"))
    late.join()
    assert up.ok, up.text
    assert stack.outputs()["one.stdout"] == "there"


def test_gives_up_after_the_limit(stack: Stack, closed_sshd: Sshd) -> None:
    started = time.monotonic()
    up = stack.up(command(closed_sshd.connection(dial_error_limit=2), create="true"))
    assert not up.ok
    assert "after 2 failed attempts" in up.text
    assert time.monotonic() - started < 15


def test_refuses_a_wrong_host_key(stack: Stack, sshd: Sshd, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other")
    up = stack.up(command(sshd.connection(host_key=other, dial_error_limit=1), create=f"touch {stack.log}"))
    assert not up.ok
    assert "host key mismatch" in up.text
    assert not stack.log.exists()


def test_changed_connection_updates_and_delete_uses_the_old_one(stack: Stack, sshd: Sshd, closed_sshd: Sshd) -> None:
    closed_sshd.start()

    def on(server: Sshd, trigger: int) -> Resource:
        def tell(word: str) -> str:
            return f"set -- $SSH_CONNECTION; echo {word} $4 >>{stack.log}"

        return command(server.connection(), create=tell("create"), delete=tell("delete"), triggers=[trigger])

    stack.up(on(sshd, 1))
    assert stack.up(on(closed_sshd, 1)).steps == [("update", "one")]
    stack.up(on(sshd, 2))
    assert stack.logged() == [
        f"create {sshd.port}",
        f"create {closed_sshd.port}",
        f"create {sshd.port}",
        f"delete {closed_sshd.port}",
    ]


def test_secret_connection_and_environment_by_the_servers_consent(stack: Stack, sshd: Sshd) -> None:
    up = stack.up(command(sshd.connection(), create="echo $TEST_ACCEPTED", environment={"TEST_ACCEPTED": "yes"}))
    assert up.ok, up.text
    assert stack.outputs()["one.stdout"] == "yes"
    assert_secret(stack, sshd, up.text)
    refused = stack.up(command(sshd.connection(), create=f"touch {stack.log}", environment={"OTHER": "x"}))
    assert not refused.ok
    assert "OTHER" in refused.text
    assert not stack.log.exists()


def test_previous_output_that_the_server_refuses_is_no_error(stack: Stack, sshd: Sshd) -> None:
    stack.up(command(sshd.connection(), create="echo first"))
    up = stack.up(command(sshd.connection(), create="echo second"))
    assert up.ok, up.text
    assert stack.outputs()["one.stdout"] == "second"
    assert "PULUMI_COMMAND_STDOUT" in up.text


def assert_secret(stack: Stack, sshd: Sshd, shown: str) -> None:
    """The connection is encrypted in the state, as input and as output, and its key is nowhere to be seen."""
    found = stack.resource("one")
    assert found is not None
    for side in ("inputs", "outputs"):
        assert "ciphertext" in found[side]["connection"]
    line = sshd.private_key.splitlines()[1]
    assert line not in stack.state() and line not in shown
