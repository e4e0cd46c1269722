"""The tables. A thread and an item are stored as their JSON.

The owner of a thread is its user, and that of an item its thread. The order is the position's.
"""

from __future__ import annotations

import sqlalchemy as sa


def _table(name: str, *columns: sa.Column[int]) -> sa.Table:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Table(
        name,
        METADATA,
        sa.Column("position", number, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        *columns,
        sa.UniqueConstraint("owner", "id"),
        sa.Index(f"{name}_in_order", "owner", "position"),
    )


METADATA = sa.MetaData()
# Seconds since 1970 by the database's clock, which all processes share.
NOW = sa.cast(sa.extract("epoch", sa.func.now()), sa.BigInteger)
THREADS = _table("threads", sa.Column("active_at", sa.BigInteger, index=True))
# A user's message without an answer has a lease: a number that its process goes on counting.
ITEMS = _table("items", sa.Column("lease", sa.BigInteger, index=True))
