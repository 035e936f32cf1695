"""How each connection stands: the view every question about lag is asked of.

A connection joined with the verdict on its (version, scope set). The view is created by a migration;
this is its picture for queries, on metadata of its own so that no migration tries to make it a table.
"""

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, Integer, MetaData, Table, Text

standing = Table(
    "standing",
    MetaData(),
    Column("connection_id", BigInteger),
    Column("app_id", BigInteger),
    Column("tenant_id", BigInteger),
    Column("environment", Text),
    Column("status", Text),
    Column("version", Integer),
    Column("scope_set_id", BigInteger),
    Column("latest", Integer),
    Column("lag", Text),  # current | blocking | trimming | equivalent | unknown
    Column("missing", ARRAY(Text)),
    Column("superfluous", ARRAY(Text)),
    Column("versions_behind", Integer),
    Column("outdated_since", DateTime(timezone=True)),  # never before the epoch's start
    Column("upgraded_at", DateTime(timezone=True)),  # when it was last seen to accept a higher version
    Column("since", DateTime(timezone=True)),  # the clock of the class; never before the epoch's start
)
