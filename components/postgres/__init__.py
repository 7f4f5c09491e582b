"""PostgreSQL on the nodes: configuration files, and the join that decides who is primary."""

from components.postgres.postgres import Postgres, PostgresArgs, PostgresClient, PostgresClientArgs

__all__ = ["Postgres", "PostgresArgs", "PostgresClient", "PostgresClientArgs"]
