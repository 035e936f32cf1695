"""The questions themselves, each with arguments as a page or a caller of the API would choose them."""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from bench.questions.feed import FEED
from bench.questions.figures import FIGURES
from bench.questions.known import Known
from bench.questions.lists import LISTS
from bench.questions.messages import MESSAGES
from bench.questions.question import Question
from bench.questions.rollouts import LABOURS, ROLLOUTS
from models.queries.accounts import accounts, audit, source_names, strange_sources, tokens
from models.queries.apps import has_apps, is_app, laggards, overview, totals
from models.queries.asked import asked
from models.queries.notices import refused, told
from models.queries.overdue import overdue
from models.queries.readiness import readiness
from models.queries.rollouts import uptake, versions
from models.queries.silences import silences_ahead
from models.queries.sources import sources, tick_age
from models.queries.tenant_names import tenants_named
from models.queries.tenants import is_tenant, notices, story, timeline
from models.queries.tenants_of import Sort, Wanted, tenants_of
from models.queries.trends import trends

__all__ = ["LABOURS", "QUESTIONS"]

_CURVE, _SHOWN, _PAGE = 90, 12, 101  # days; rows; rows of a page and one more
_ON_A_PAGE = 500


def _tenants(name: str, *, sort: Sort = "since", deep: bool = False, **wanted: Callable[[Known], object]) -> Question:
    def ask(session: Session, known: Known) -> object:
        app = known.app()
        meant = Wanted(**{field: draw(known) for field, draw in wanted.items()})  # type: ignore[arg-type]  # as named
        after = app.deep[sort] if deep else None
        return tenants_of(session, app.key, meant, sort=sort, after=after, most=_PAGE)

    return Question(f"tenants of an app: {name}", ask)


def _missing(session: Session, known: Known) -> object:
    app = known.app()
    return tenants_of(session, app.key, Wanted(missing=known.chance.choice(app.scopes)), most=_PAGE)


def _ready(session: Session, known: Known) -> object:
    app = known.app()
    return readiness(session, app.key, scope=known.chance.choice(app.scopes))


def _told_to_a_tenant(session: Session, known: Known) -> object:
    found = [one.tenant_id for one in tenants_named(session, known.pair()[1])]
    return told(session, tenants=found)


QUESTIONS = (
    # What the machine and eight readers take for anything at all: the others are to be read beside it.
    Question("floor: nothing is asked", lambda session, _: session.scalar(text("SELECT 1"))),
    Question("overview", lambda session, _: overview(session)),
    Question("overview, a page of it", lambda session, _: overview(session, sources=["acme"], most=_PAGE)),
    Question("overview, the most blocked first", lambda session, _: overview(session, sort="blocked", most=_PAGE)),
    Question(
        "overview, the lowest adoption first, half way",
        lambda session, known: overview(session, sort="adoption", after=known.middling, most=_PAGE),
    ),
    Question("overview, the lowest adoption first", lambda session, _: overview(session, sort="adoption", most=_PAGE)),
    Question("one app", lambda session, known: overview(session, app=known.app().key, deleted=True)),
    Question("is there an app", lambda session, known: (has_apps(session), is_app(session, known.app().key))),
    Question("overview, by letters", lambda session, known: overview(session, letters=known.letters(), most=_PAGE)),
    Question("all apps together", lambda session, _: totals(session), counts="ix_alert_firing"),
    Question(
        "all apps together, of a source",
        lambda session, _: totals(session, sources=["globex"]),
        counts="ix_alert_firing",
    ),
    Question("trends of all apps", lambda session, known: trends(session, known.keys, now=known.now)),
    Question("versions of an app", lambda session, known: versions(session, known.app().key)),
    Question(
        "curves of an app",
        lambda session, known: uptake(session, known.app().key, until=known.now.date(), days=_CURVE),
    ),
    Question(
        "curves of an app, two years",
        lambda session, known: uptake(session, known.app().key, until=known.now.date(), days=730),
    ),
    Question("readiness of an app", lambda session, known: readiness(session, known.app().key)),
    Question("readiness for one scope", _ready),
    Question(
        "who lags, of all apps",
        lambda session, _: laggards(session, lags=("blocking",), environment="production", most=_SHOWN),
    ),
    Question("who lags, of an app", lambda session, known: laggards(session, app=known.app().key, most=_ON_A_PAGE)),
    _tenants("longest blocked first"),
    _tenants("longest blocked first, deep", deep=True),
    _tenants("by name", sort="name"),
    _tenants("by name, deep", sort="name", deep=True),
    _tenants("blocking", lag=lambda _: "blocking"),
    _tenants("blocking, by name", sort="name", lag=lambda _: "blocking"),
    _tenants("trimming", lag=lambda _: "trimming"),
    _tenants("current, by name, deep", sort="name", deep=True, lag=lambda _: "current"),
    _tenants("of a version", version=lambda known: known.chance.randint(1, 8)),
    _tenants("not connected", status=lambda _: "not_connected"),
    _tenants("disconnected, by name", sort="name", status=lambda _: "disconnected"),
    _tenants("other environment", environment=lambda _: "integration"),
    _tenants("by letters", sort="name", letters=lambda known: known.letters()),
    _tenants("blocking, by letters", lag=lambda _: "blocking", letters=lambda known: known.letters()),
    Question("tenants of an app: without a scope", _missing),
    Question("is there a tenant", lambda session, known: is_tenant(session, known.pair()[1])),
    Question("a tenant's timeline", lambda session, known: timeline(session, known.pair()[1])),
    Question("a tenant and an app", lambda session, known: story(session, *known.pair(), now=known.now)),
    Question("a tenant and an app: messages", lambda session, known: notices(session, *known.pair())),
    Question("a tenant and an app: what is asked", lambda session, known: asked(session, *known.pair(), now=known.now)),
    Question("silences ahead", lambda session, known: silences_ahead(session, now=known.now)),
    Question("last reminders", lambda session, _: told(session, reminders=True, most=_SHOWN)),
    Question("last messages to operators", lambda session, _: told(session, reminders=False, most=_SHOWN)),
    Question("messages that failed", lambda session, _: told(session, state="failed", most=_SHOWN)),
    Question("messages that wait", lambda session, _: told(session, state="due", most=_SHOWN)),
    Question(
        "reminders of an app", lambda session, known: told(session, app=known.app().key, reminders=True, most=_SHOWN)
    ),
    Question(
        "messages about an app", lambda session, known: told(session, app=known.app().key, reminders=False, most=_SHOWN)
    ),
    Question("messages to a tenant", _told_to_a_tenant),
    Question(
        "reminders that were refused", lambda session, known: refused(session, since=known.now - timedelta(days=1))
    ),
    Question("sources", lambda session, _: sources(session)),
    Question("is somebody ticking", lambda session, _: tick_age(session)),
    Question("what is overdue", lambda session, known: overdue(session, ["hook"], now=known.now)),
    Question("accounts and tokens", lambda session, _: (accounts(session), tokens(session))),
    Question("names of sources", lambda session, _: (source_names(session), strange_sources(session, ["acme"]))),
    Question("what was done by hand", lambda session, _: audit(session, most=50)),
    *LISTS,
    *FEED,
    *MESSAGES,
    *ROLLOUTS,
    *FIGURES,
)
