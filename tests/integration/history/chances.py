"""What the rules of a history choose from."""

from datetime import timedelta

from hypothesis import strategies as st

from tests.integration.history.truth import CHANGES

APPS = (4711, 4712)
KINDS = ("spoilt", "nameless", "doubled")  # what can be wrong with a row
returns = st.sampled_from(["well", "failing", *KINDS])
picks = st.integers(0, 11)
apps = st.integers(0, 1)
pages = st.integers(1, 3)
places = st.frozensets(st.integers(0, 8), min_size=1, max_size=2)
changes = st.sampled_from([*sorted(CHANGES), "upgrade", "upgrade", "climb", "allow"])
moves = st.lists(st.tuples(changes, picks), min_size=1, max_size=4)
spans = st.sampled_from([timedelta(minutes=20), timedelta(hours=7), timedelta(days=1), timedelta(days=4)])
tenants = st.integers(1, 9).map(str)
environments = st.sampled_from(["production", "production", "integration"])
shapes = st.fixed_dictionaries(
    {
        "page_size": st.integers(2, 4),
        "tags": st.booleans(),
        "counts": st.booleans(),
        "faithful": st.booleans(),
        "grants": st.booleans(),
        "feed": st.booleans(),
    }
)
_crowd = st.tuples(tenants, environments, st.booleans())
crowds = st.lists(_crowd, max_size=5) | st.lists(_crowd, min_size=8, max_size=12, unique_by=lambda it: it[:2])
