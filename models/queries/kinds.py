"""Connections of one kind (app, environment, status, version, scope set) stand together in one index, in one order.

All of a kind have the same verdict, and `tally` knows which kinds there are: so whoever wants the first of an order
reads the first of each kind, however many connections there are.
"""

# When its present life began, of a connection c.
BEGAN = "coalesce(c.epoch_started_at, 'infinity')"
# Of a connection c and a kind k, as ix_connection_kind has them.
IS_OF_KIND = """
    c.app_id = k.app_id AND c.environment = k.environment AND c.status = k.status
    AND coalesce(c.version, 0) = k.version AND coalesce(c.scope_set_id, 0) = k.scope_set_id
"""
IN_ORDER = f"{BEGAN}, c.id"
