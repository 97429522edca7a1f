"""Runs migrations on the connection that drift.store.migrate hands over, or on DRIFT_DATABASE_URL from the shell."""

import sqlalchemy as sa
from alembic import context

from drift.config import Settings
from drift.store import connect, tables


def _ours(obj: sa.schema.SchemaItem, name: str | None, kind: str, reflected: bool, _: object) -> bool:
    """Leave out partitions and alembic's own table: they are not in the metadata, and should not be."""
    if kind == "table" and reflected and name is not None:
        return name in {table.name for table in tables.metadata.tables.values()}
    return True


def _in_schema(name: str | None, kind: str, _: object) -> bool:
    return kind != "schema" or name == tables.SCHEMA


def migrate(conn: sa.Connection) -> None:
    context.configure(
        connection=conn,
        target_metadata=tables.metadata,
        include_schemas=True,
        include_name=_in_schema,
        include_object=_ours,
        version_table_schema=tables.SCHEMA,
    )
    with context.begin_transaction():
        context.run_migrations()


if (given := context.config.attributes.get("connection")) is not None:
    migrate(given)
else:
    with connect.connect(Settings().database_url).begin() as conn:
        conn.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {tables.SCHEMA}"))
        migrate(conn)
