"""Which versions go together, and why not the others: pure, so that it is said before anything is created."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pgpool_lab.versions import pgpool, pgpool_parameters, postgresql
from pgpool_lab.versions.distributions import DISTRIBUTIONS, PACKAGED
from pgpool_lab.versions.numbers import Version, parse

WAL_NAMES: dict[str, int] = {"3.2": 21, "3.3": 16, "3.4": 12, "3.5": 9, "3.6": 5}
"""The release of each series that learned PostgreSQL 10's function names (streaming_replication/pool_worker_child.c);
all releases since 3.7.0 know them."""


@dataclass(frozen=True)
class Choice:
    """What a user has chosen, in the settings' own words."""

    distribution: str
    postgresql: str
    pgpool: str
    pgpool_source: str
    auth: str
    postgresql_source: str = "distribution"
    witness: bool = False


@dataclass(frozen=True)
class Refusal:
    """The settings that don't go together, and why. `key` is what a user would change."""

    key: str
    reason: str

    def __str__(self) -> str:
        return f"{self.key}: {self.reason}"


def refusals(choice: Choice) -> list[Refusal]:
    """Everything that is wrong with a choice; empty when its parts go together."""
    return [*wrong_pair(choice), *wrong_source(choice)]


def wrong_pair(choice: Choice) -> Iterator[Refusal]:
    """What a version of pgpool or PostgreSQL can't do."""
    pool, server = pgpool.traits(choice.pgpool), postgresql.traits(choice.postgresql)
    if choice.auth not in pool.authentication:
        can = " or ".join(sorted(pool.authentication))
        yield Refusal("auth", f"pgpool {choice.pgpool} does not know {choice.auth}; choose {can}")
    if choice.auth == "scram" and not server.scram:
        yield Refusal("auth", f"PostgreSQL {choice.postgresql} does not know scram, which came with 10; choose md5")
    if choice.witness and pool.election != "vote":
        yield Refusal("witness", f"pgpool {choice.pgpool} knows no quorum, which came with 3.5; leave it out")
    if server.version >= (10,) and not knows_wal_names(pool.version):
        yield Refusal(
            "pgpool.version",
            f"pgpool {choice.pgpool} calls functions that PostgreSQL has renamed in 10 (xlog to wal): its replication "
            "checks fail; choose a later pgpool, or PostgreSQL 9.6",
        )


def knows_wal_names(version: Version) -> bool:
    """Whether a pgpool release calls PostgreSQL 10's functions by their names."""
    first = WAL_NAMES.get(pgpool_parameters.series(version))
    return first is None or version[2] >= first


def wrong_source(choice: Choice) -> Iterator[Refusal]:
    """Versions that can't be had from where they are wanted from."""
    own = DISTRIBUTIONS[choice.distribution]
    archive = "that version's programs with postgresql.source: path:FILE, url:ADDRESS or maven:GROUP:ARTIFACT:VERSION"
    if choice.postgresql_source == "distribution" and choice.postgresql != own.postgresql:
        has = f"have PostgreSQL {own.postgresql}, not {choice.postgresql}" if own.postgresql else "are not used"
        yield Refusal(
            "postgresql.version",
            f"{choice.distribution}'s own packages {has}; give {archive}, or with image.source the PostgreSQL "
            "project's packages with postgresql.source: project",
        )
    if choice.postgresql_source == "project" and not in_range(choice.postgresql, own.project):
        yield Refusal(
            "postgresql.version",
            f"the PostgreSQL project's packages for {choice.distribution} have PostgreSQL {own.project[0]} to "
            f"{own.project[1]}, not {choice.postgresql}; choose one of those, or give {archive}",
        )
    if choice.postgresql_source not in PACKAGED and own.postgresql is None:
        yield Refusal(
            "postgresql.source",
            f"an archive of programs takes psql and pg_basebackup from the distribution's packages, and those of "
            f"{choice.distribution} are not used; choose project",
        )
    if choice.pgpool_source == "distribution" and choice.pgpool != own.pgpool:
        has = f"has {own.pgpool}, not {choice.pgpool}" if own.pgpool else "is not known"
        yield Refusal(
            "pgpool.version",
            f"{choice.distribution}'s source package {has}; give that version's tarball with pgpool.source: path:FILE "
            "or url:ADDRESS",
        )


def in_range(version: str, bounds: tuple[str, str]) -> bool:
    """Whether a version lies between two, both included."""
    return parse(bounds[0]) <= parse(version) <= parse(bounds[1])
