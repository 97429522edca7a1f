"""Pictures of references in the plane, and where the rows of windows lie in them."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA

from drift.store.tables.schema import At, metadata, required

# Places of the first rows of a reference, two numbers each; none where fitting them has failed, and `fault` says why.
picture: Final = sa.Table(
    "picture",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("reference", sa.Text, primary_key=True),
    required("method", sa.Text()),
    required("made_at", At),
    required("seconds", sa.Double()),
    required("places", BYTEA()),
    required("fault", sa.Text()),
)

# Places of the rows of a window in the picture of a reference, in the order of the window's rows.
place: Final = sa.Table(
    "place",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("start", At, primary_key=True),
    sa.Column("reference", sa.Text, primary_key=True),
    required("places", BYTEA()),
)
