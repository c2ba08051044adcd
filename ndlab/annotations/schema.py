"""The tables: one schema for SQLite and PostgreSQL.

An object is one row of `objects`, complete in itself. What it was before stands in `past`, with the transactions
between which that held: a row is of the state after transaction T if ``since <= T < until``. Rows of `past` are never
changed. `links` and `pairs` are indexes over the lists and the key-values of rows, dated in the same way, so that an
earlier state is queried as the present one is.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Double, Index, Integer, MetaData, SmallInteger, Table, Text
from sqlalchemy.dialects import postgresql

__all__ = [
    "COLUMNS", "FOREVER", "LISTS", "REFERENCES", "SCHEMA", "VERSION", "counters", "facts", "links", "objects", "pairs",
    "past", "strokes", "transactions", "volumes",
]  # fmt: skip

VERSION = 2
# `until` of what holds now.
FOREVER = (1 << 63) - 1

SCHEMA = MetaData()

# Text in the order of its code points on every database.
_WORDS = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

# Fields that name one other object, and those that name many; the code is the role of a link.
REFERENCES = ("parent", "parentseed", "neuron", "segment", "skeleton", "rootnode", "source")
LISTS = {"seeds": 1, "segments": 2, "presegments": 3, "postsegments": 4}


def _fields() -> list[Column[object]]:
    """Columns of an object; those of other kinds are NULL. Times are microseconds since 1970, lengths nm."""
    return [
        Column("kind", SmallInteger, nullable=False),
        Column("status", SmallInteger, nullable=False),
        Column("confidence", Double, nullable=False),
        Column("author", _WORDS, nullable=False),
        Column("time", BigInteger, nullable=False),
        Column("keys", Text),
        *(Column(name, Double) for name in ("z", "y", "x")),
        # The power of 2 nm that holds the box's longest side of z: bounds search, see predicates.
        Column("extent", SmallInteger),
        *(Column(name, Double) for name in ("z0", "y0", "x0", "z1", "y1", "x1")),
        *(Column(name, Double) for name in ("weight", "radius")),
        *(Column(name, Integer) for name in ("synapse_type", "cube_location", "segmentclass", "organelleclass")),
        *(Column(name, Integer) for name in ("node_type", "skeleton_type")),
        *(Column(name, BigInteger) for name in REFERENCES),
        *(Column(name, Text) for name in LISTS),
        Column("since", BigInteger, nullable=False),
    ]


def _where(name: str) -> dict[str, Any]:
    return {"sqlite_where": Column(name).isnot(None), "postgresql_where": Column(name).isnot(None)}


objects = Table("objects", SCHEMA, Column("id", BigInteger, primary_key=True, autoincrement=False), *_fields())
COLUMNS = tuple(column.name for column in objects.columns)

Index("objects_kind", objects.c.kind, objects.c.id)
Index("objects_since", objects.c.since)
Index("objects_position", objects.c.z, objects.c.y, objects.c.x, **_where("z"))
Index("objects_bounds", objects.c.extent, objects.c.z0, **_where("extent"))
for _name in REFERENCES:
    Index(f"objects_{_name}", objects.c[_name], **_where(_name))

past = Table(
    "past",
    SCHEMA,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    # The key comes first: SQLite 3.40 says of other orders that rows are damaged, which are not.
    Column("until", BigInteger, primary_key=True, autoincrement=False),
    *_fields(),
    sqlite_with_rowid=False,
)
Index("past_until", past.c.until)
Index("past_since", past.c.since)

links = Table(
    "links",
    SCHEMA,
    Column("target", BigInteger, primary_key=True, autoincrement=False),
    Column("role", SmallInteger, primary_key=True, autoincrement=False),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    # One pair of objects may meet in several ways; 0 where the list has no flow.
    Column("flow", SmallInteger, primary_key=True, autoincrement=False),
    Column("since", BigInteger, primary_key=True, autoincrement=False),
    Column("until", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

pairs = Table(
    "pairs",
    SCHEMA,
    Column("key", _WORDS, primary_key=True),
    # The value as text; of long text its beginning and a digest, because indexes take no long text.
    Column("text", _WORDS, primary_key=True),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    # Text, number or bool: 1 and "1" are two values.
    Column("sort", SmallInteger, primary_key=True, autoincrement=False),
    Column("since", BigInteger, primary_key=True, autoincrement=False),
    Column("until", BigInteger, nullable=False),
    Column("number", Double),
    # All of a text that is too long for the index.
    Column("long", _WORDS),
    sqlite_with_rowid=False,
)

transactions = Table(
    "transactions",
    SCHEMA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("time", BigInteger, nullable=False),
    Column("author", _WORDS, nullable=False),
    Column("operation", Text, nullable=False),
    Column("objects", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
    # Number of the transaction that this one takes back.
    Column("undoes", BigInteger),
)

# Label volumes that belong to the set.
volumes = Table(
    "volumes",
    SCHEMA,
    Column("name", _WORDS, primary_key=True),
    Column("rank", Integer, nullable=False),
    # Addresses; relative ones are from the folder of the database.
    Column("url", Text, nullable=False),
    Column("folder", Text, nullable=False),
    # As JSON, for `Paint`.
    Column("options", Text, nullable=False),
    # The transaction and the stroke of its journal after which it came to the set.
    Column("since", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),
    # The last stroke of its journal that has a transaction.
    Column("adopted", BigInteger, nullable=False),
)

# What transactions wrote into volumes: which strokes of the journals. A token stands in the journal, too, where rows
# were written with them: such strokes count if and only if their token is found here.
strokes = Table(
    "strokes",
    SCHEMA,
    Column("volume", _WORDS, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("voxels", BigInteger, nullable=False),
    Column("token", BigInteger),
    sqlite_with_rowid=False,
)
Index("strokes_token", strokes.c.token, **_where("token"))

counters = Table("counters", SCHEMA, Column("name", Text, primary_key=True), Column("next", BigInteger, nullable=False))

facts = Table("facts", SCHEMA, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))
