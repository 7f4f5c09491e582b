"""The tables of versions: what came and went when, and which versions go together."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

import pgpool_lab.node
from pgpool_lab.versions import distributions, pgpool, pgpool_parameters, postgresql, postgresql_parameters
from pgpool_lab.versions.numbers import parse, since
from pgpool_lab.versions.support import Choice, refusals


def test_versions_compare_as_numbers() -> None:
    assert parse("9.6") < parse("10")
    assert parse("3.2.9") < parse("3.2.10")
    assert since({"9.4": "old", "9.6": "middle", "10": "new"}, parse("9.6.24")) == "middle"
    assert since({"9.4": "old", "10": "new"}, parse("10")) == "new"
    with pytest.raises(LookupError, match=r"version 9\.3"):
        since({"9.4": "old"}, parse("9.3"))


PARAMETERS: dict[str, tuple[str, list[str], list[str]]] = {
    "watchdog": ("use_watchdog", ["3.2.0", "4.6.7"], []),
    "peers of one's own": ("other_wd_port0", ["3.2.9", "4.1.23"], ["4.2.0"]),
    "peers alike": ("hostname0", ["4.2.0", "4.6.0"], ["4.1.0"]),
    "virtual IP's new name": ("delegate_ip", ["4.4.0"], ["4.3.20"]),
    "one port for all, then one each": ("wd_port", ["4.1.0"], ["4.2.0"]),
    "digits inside": ("recovery_1st_stage_command", ["3.2.0", "4.6.0"], []),
    "came with a later release": ("pcp_socket_dir", ["3.4.0", "3.5.4", "3.6.0"], ["3.5.3"]),
    "replaced within a series": ("wd_initial_node_showup_time", ["4.3.0"], ["4.2.24", "4.3.1", "4.4.0"]),
    "no such parameter": ("num_children", [], ["3.2.0", "4.6.0"]),
    "a number where none belongs": ("use_watchdog0", [], ["4.3.5"]),
}


@pytest.mark.parametrize(("name", "present", "absent"), PARAMETERS.values(), ids=PARAMETERS.keys())
def test_a_parameter_is_known_from_when_it_came_until_it_went(name: str, present: list[str], absent: list[str]) -> None:
    assert [version for version in present if not pgpool_parameters.knows(parse(version), name)] == []
    assert [version for version in absent if pgpool_parameters.knows(parse(version), name)] == []


def test_the_table_holds_what_the_sample_of_4_3_5_names() -> None:
    sample = (Path(__file__).parent / "data" / "pgpool-4.3.5-parameters.txt").read_text().split()
    assert set(sample) <= pgpool_parameters.known((4, 3, 5))


def test_no_parameter_came_or_went_twice() -> None:
    for table in (pgpool_parameters.CAME, pgpool_parameters.WENT):
        names = " ".join(table.values()).split()
        assert len(names) == len(set(names))
        assert set(table) <= set(pgpool.SERIES)


def test_of_two_names_for_one_thing_the_new_one_is_kept() -> None:
    both = {"delegate_IP": 1, "delegate_ip": 2}
    assert pgpool_parameters.only_known((4, 3, 5), both) == {"delegate_IP": 1}
    assert pgpool_parameters.only_known((4, 4, 0), both) == {"delegate_ip": 2}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("delegate_ip", "came with 4.4"),
        ("other_wd_port0", "came with 3.2, gone since 4.2"),
        ("num_children", "no version has it"),
    ],
)
def test_a_parameter_s_history_in_words(name: str, words: str) -> None:
    assert pgpool_parameters.history(name) == words


@pytest.mark.parametrize("text", ["4.3", "4.3.x", "2.9.9", "4.99.0", "", "4.3.5.1"])
def test_what_is_no_release_is_not_known(text: str) -> None:
    assert not pgpool.known_version(text)
    assert pgpool.known_version("4.3.99"), "a later release of a known series"


def test_every_version_has_all_its_traits() -> None:
    for series in pgpool.SERIES:
        assert pgpool.traits(f"{series}.0").version[:2] == parse(series)
    for version in postgresql.SERIES:
        assert postgresql.traits(version).version == parse(version)


def test_each_postgresql_version_knows_one_way_to_keep_the_log() -> None:
    for version in postgresql.SERIES:
        for pair in (("wal_keep_segments", "wal_keep_size"), ("checkpoint_segments", "max_wal_size")):
            assert sum(postgresql_parameters.knows(version, name) for name in pair) == 1
        assert postgresql_parameters.knows(version, "listen_addresses")


GOOD = Choice("debian12", "15", "4.3.5", "distribution", "scram")
PATH = "path:pgpool.tar.gz"
PAIRS: dict[str, tuple[Choice, list[str]]] = {
    "the default": (GOOD, []),
    "scram, pgpool that cannot": (
        replace(GOOD, pgpool="3.7.26", pgpool_source=PATH),
        ["auth: pgpool 3.7.26 does not know scram"],
    ),
    "PostgreSQL 9.6 from an archive": (
        replace(GOOD, postgresql="9.6", postgresql_source="maven:group:artifact:9.6.24", auth="md5"),
        [],
    ),
    "md5 with it": (replace(GOOD, pgpool="3.7.26", pgpool_source=PATH, auth="md5"), []),
    "scram, PostgreSQL that cannot": (
        replace(GOOD, postgresql="9.6"),
        ["auth: PostgreSQL 9.6 does not know scram", "postgresql.version: debian12's own packages"],
    ),
    "a pgpool from before PostgreSQL 10": (
        replace(GOOD, pgpool="3.2.9", pgpool_source=PATH, auth="md5"),
        ["pgpool.version: pgpool 3.2.9 calls functions that PostgreSQL has renamed in 10"],
    ),
    "its first release from after it": (replace(GOOD, pgpool="3.2.21", pgpool_source=PATH, auth="md5"), []),
    "a source package that there is not": (
        replace(GOOD, pgpool="4.6.0"),
        ["pgpool.version: debian12's source package has 4.3.5"],
    ),
}


@pytest.mark.parametrize(("choice", "expected"), PAIRS.values(), ids=PAIRS.keys())
def test_what_does_not_go_together_is_refused_by_name(choice: Choice, expected: list[str]) -> None:
    found = [str(refusal) for refusal in refusals(choice)]
    assert len(found) == len(expected)
    assert all(text.startswith(start) for text, start in zip(found, expected, strict=True))


def test_packages_are_named_as_each_family_does() -> None:
    assert distributions.server_packages("debian12", "15") == ["postgresql-15"]
    assert distributions.server_packages("centos7", "9.4") == ["postgresql94-server", "postgresql94-contrib"]
    assert "postgresql94-devel" in distributions.build_packages("centos7", "9.4")
    assert distributions.binaries("centos7", "9.4") == "/usr/pgsql-9.4/bin"
    assert distributions.named(distributions.family("centos7").data, "9.4") == "/var/lib/pgsql/9.4/data"


def test_the_agent_is_written_in_the_python_that_it_is_said_to_need() -> None:
    sources = sorted(Path(pgpool_lab.node.__file__).parent.glob("*.py"))
    assert len(sources) > 5
    for source in sources:
        ast.parse(source.read_text(), feature_version=distributions.AGENT_PYTHON)
    older = [source for source in sources if not parses(source, (3, 9))]
    assert older, "it would run on an older Python as well"


def parses(source: Path, version: tuple[int, int]) -> bool:
    try:
        ast.parse(source.read_text(), feature_version=version)
    except SyntaxError:
        return False
    return True


@pytest.mark.parametrize("name", distributions.BUILT)
def test_the_agent_runs_on_every_distribution_that_is_built(name: str) -> None:
    assert distributions.DISTRIBUTIONS[name].python >= distributions.AGENT_PYTHON
