"""Questions of lists over everything: tenants, alerts, silences; and of one tenant or alert in full."""

from collections.abc import Callable, Sequence

from sqlalchemy.orm import Session

from bench.questions.known import Known
from bench.questions.question import Question
from dashboard.api.alerts import MOST_LIKE
from models.queries.alert_lists import WantedAlerts, alerts_after, heard_of, messages_about, one_alert, steps_of
from models.queries.alerts_alike import alerts_alike, firing
from models.queries.app_names import app_names
from models.queries.silences import silences_after
from models.queries.tenant_apps import apps_of, contacts, profile, timeline_of
from models.queries.tenant_lists import tenants, tenants_like
from models.queries.tenant_names import tenants_named
from uptake.mutes import Mute

_PAGE = 101
_MUTES = (Mute(name="nights", app="acme:*", environment="production"),)
_LABELLED = (Mute(name="gold", labels=(("plan", "gold"),)),)


def _of_tenant(name: str, ask: Callable[[Session, int], object]) -> Question:
    def asked(session: Session, known: Known) -> object:
        found = tenants_named(session, known.pair()[1])
        return [ask(session, one.tenant_id) for one in found]

    return Question(f"one tenant: {name}", asked)


def _alerts(
    name: str,
    wanted: Callable[[Known], WantedAlerts],
    *,
    sources: tuple[str, ...] | None = None,
    mutes: tuple[Mute, ...] = (),
) -> Question:
    def ask(session: Session, known: Known) -> object:
        return alerts_after(session, wanted(known), now=known.now, sources=sources, mutes=mutes, most=_PAGE)

    return Question(f"alerts: {name}", ask)


def _one_alert(session: Session, known: Known) -> object:
    alert = known.alert()
    return (
        one_alert(session, alert, now=known.now),
        steps_of(session, alert),
        heard_of(session, alert),
        messages_about(session, alert),
    )


def _alerts_of_tenants(session: Session, known: Known) -> object:
    found = [one.tenant_id for one in tenants_named(session, known.pair()[1])]
    return alerts_after(session, WantedAlerts(tenants=found, state="open"), now=known.now, most=_PAGE)


def _like(session: Session, known: Known) -> Sequence[int] | None:
    """As the API does, which asks for more letters where too many tenants have them."""
    found = tenants_like(session, known.letters(), sources=["acme"], most=MOST_LIKE + 1)
    return found if len(found) <= MOST_LIKE else None


def _alerts_by_letters(session: Session, known: Known) -> object:
    found = _like(session, known)
    return found and alerts_after(session, WantedAlerts(tenants=found), now=known.now, most=_PAGE)


def _alike_by_letters(session: Session, known: Known) -> object:
    found = _like(session, known)
    return found and alerts_alike(session, WantedAlerts(tenants=found), now=known.now, sources=["acme"])


def _alike_but_of_one(session: Session, known: Known) -> object:
    mutes = (Mute(name="they move", tenant=known.pair()[1]),)
    return alerts_alike(session, WantedAlerts(), now=known.now, mutes=mutes)


def _still_firing(session: Session, known: Known) -> object:
    shown = alerts_after(session, WantedAlerts(app=known.app().key), now=known.now, most=_PAGE)
    return firing(session, [line.id for _, line in shown], sources=["acme"])


LISTS = (
    Question("names of apps", lambda session, _: app_names(session)),
    Question("tenants", lambda session, _: tenants(session, most=_PAGE)),
    Question("tenants who are blocked", lambda session, _: tenants(session, blocking=True, most=_PAGE)),
    Question(
        "tenants by letters",
        lambda session, known: tenants(session, letters=known.letters(), sources=["acme"], most=_PAGE),
    ),
    Question("tenants who are not blocked", lambda session, _: tenants(session, blocking=False, most=_PAGE)),
    Question("tenants by class", lambda session, _: tenants(session, lag="trimming", most=_PAGE)),
    Question(
        "tenants by class, of a source",
        lambda session, _: tenants(session, lag="unknown", sources=["acme"], most=_PAGE),
    ),
    Question("tenants by app", lambda session, known: tenants(session, app=known.app().key, most=_PAGE)),
    Question(
        "tenants by app and class",
        lambda session, known: tenants(session, app=known.app().key, lag="blocking", most=_PAGE),
    ),
    Question(
        "tenants by app, class and letters",
        lambda session, known: tenants(
            session, app=known.app().key, lag="blocking", letters=known.letters(), most=_PAGE
        ),
    ),
    Question("tenants: who is like that", _like),
    _of_tenant("who it is", profile),
    _of_tenant("its apps", apps_of),
    _of_tenant("its contacts", contacts),
    _of_tenant("its timeline", lambda session, tenant: timeline_of(session, tenant, newest_first=True, most=_PAGE)),
    _alerts("firing", lambda _: WantedAlerts()),
    _alerts("firing, of an app", lambda known: WantedAlerts(app=known.app().key)),
    _alerts("waiting, of an app", lambda known: WantedAlerts(state="pending", app=known.app().key)),
    _alerts("resolved", lambda _: WantedAlerts(state="resolved")),
    _alerts("resolved, of an app", lambda known: WantedAlerts(state="resolved", app=known.app().key)),
    _alerts("critical", lambda _: WantedAlerts(severity="critical")),
    _alerts("firing, of a source", lambda _: WantedAlerts(), sources=("globex",)),
    _alerts("firing, muted or not", lambda _: WantedAlerts(), mutes=_MUTES),
    _alerts("quiet", lambda _: WantedAlerts(quiet=True)),
    _alerts("quiet, where some are muted", lambda _: WantedAlerts(quiet=True), mutes=_MUTES),
    _alerts("not quiet, where some are muted", lambda _: WantedAlerts(quiet=False), mutes=_MUTES),
    _alerts("quiet, of an app", lambda known: WantedAlerts(quiet=True, app=known.app().key), mutes=_MUTES),
    _alerts("resolved, of a source", lambda _: WantedAlerts(state="resolved"), sources=("globex",)),
    _alerts("acknowledged", lambda _: WantedAlerts(acknowledged=True)),
    _alerts("about a source", lambda _: WantedAlerts(of_source="acme")),
    Question("alerts: of a tenant", _alerts_of_tenants),
    Question("alerts: of tenants by letters", _alerts_by_letters),
    Question("alerts: one", _one_alert),
    Question("alerts: which still fire", _still_firing),
    Question("alerts in groups", lambda session, known: alerts_alike(session, WantedAlerts(), now=known.now)),
    Question(
        "alerts in groups, of an app",
        lambda session, known: alerts_alike(session, WantedAlerts(app=known.app().key), now=known.now),
    ),
    Question(
        "alerts in groups, quiet, where some are muted",
        lambda session, known: alerts_alike(session, WantedAlerts(quiet=True), now=known.now, mutes=_MUTES),
    ),
    Question("alerts in groups, where one tenant is silenced", _alike_but_of_one),
    Question(
        "alerts in groups, where tenants are silenced by label",
        lambda session, known: alerts_alike(session, WantedAlerts(), now=known.now, mutes=_LABELLED),
    ),
    Question("alerts in groups, by letters", _alike_by_letters),
    Question("silences in pages", lambda session, known: silences_after(session, now=known.now)),
)
