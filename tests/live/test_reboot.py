"""A restart of the host, as far as it concerns a lab: its processes and namespaces are gone, its files are there."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

from pgpool_lab.hypervisor import namespace, processes
from pgpool_lab.paths import LabPaths
from pgpool_lab.waiting import wait_for
from tests.live.beside import STACK, Checkout


def restart_host(paths: LabPaths) -> None:
    """What a restart does to one lab, without a word to anybody."""
    for process in processes.of_lab(paths):
        os.kill(process, signal.SIGKILL)
    wait_for(lambda: processes.of_lab(paths), lambda left: not left, seconds=30, what="nothing of the lab runs")
    namespace.delete(paths)
    shutil.rmtree(paths.runtime)


@pytest.mark.everything
@pytest.mark.two_nodes
def test_a_lab_comes_back_with_its_data_after_a_restart_of_the_host(checkout: Checkout) -> None:
    psql = ("./lab", "psql", "--stack", STACK, "--", "-Atc")
    try:
        checkout.done("./lab", "up", STACK)
        checkout.done(*psql, "CREATE TABLE kept AS SELECT 42 AS number")
        restart_host(checkout.paths)
        told = checkout.done("./lab", "up", STACK)
        assert "healthy" in told.splitlines(), told
        assert " created" not in told, told
        assert checkout.done(*psql, "SELECT number FROM kept").strip() == "42"
    finally:
        checkout.done("./lab", "down", STACK)
