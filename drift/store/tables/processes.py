"""What processes say of themselves, for those who cannot ask them."""

from typing import Final

import sqlalchemy as sa

from drift.store.tables.schema import At, metadata, required

# What each encoder of a process has done since that began, as it was `at`; written anew each minute.
encoder: Final = sa.Table(
    "encoder",
    metadata,
    sa.Column("process", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    required("at", At),
    required("load_seconds", sa.Double()),
    required("inputs", sa.BigInteger()),
    required("seconds", sa.Double()),
    required("cost", sa.Double()),
    required("gpu_memory", sa.BigInteger()),
    sa.Column("gpu_utilisation", sa.Double),
)

# The same of all processes together, day by day (of UTC): what was done on that day alone.
encoding: Final = sa.Table(
    "encoding",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    required("inputs", sa.BigInteger()),
    required("seconds", sa.Double()),
    required("gpu_seconds", sa.Double()),
    required("cost", sa.Double()),
)
