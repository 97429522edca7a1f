"""The schema that all tables are in, and what their columns are made of."""

from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

SCHEMA: Final = "drift"
metadata: Final = sa.MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    },
)
T = TypeVar("T")
At: Final = sa.DateTime(timezone=True)
TextArray: Final = ARRAY(sa.Text)


def required(name: str, kind: sa.types.TypeEngine[T]) -> sa.Column[T]:
    """A column that always has a value."""
    return sa.Column(name, kind, nullable=False)
