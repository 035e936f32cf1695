"""Questions of lists over everything: tenants, alerts, silences; and of one tenant or alert in full."""

from collections.abc import Callable

from sqlalchemy import text
from sqlalchemy.orm import Session

from bench.questions.known import Known
from bench.questions.question import Question
from models.queries.alert_lists import WantedAlerts, alerts_after, one_alert, steps_of
from models.queries.alerts_alike import alerts_alike
from models.queries.silences import silences_after
from models.queries.tenant_apps import apps_of, contacts, profile, timeline_of
from models.queries.tenant_lists import tenants, tenants_named

_PAGE = 101
_FIRING = text("SELECT id FROM alert WHERE app_id = :app AND state = 'firing' ORDER BY id LIMIT 1")


def _of_tenant(name: str, ask: Callable[[Session, int], object]) -> Question:
    def asked(session: Session, known: Known) -> object:
        found = tenants_named(session, known.pair()[1])
        return [ask(session, one.tenant_id) for one in found]

    return Question(f"one tenant: {name}", asked)


def _alerts(name: str, wanted: Callable[[Known], WantedAlerts]) -> Question:
    def ask(session: Session, known: Known) -> object:
        return alerts_after(session, wanted(known), now=known.now, most=_PAGE)

    return Question(f"alerts: {name}", ask)


def _one_alert(session: Session, known: Known) -> object:
    alert = session.scalar(_FIRING, {"app": known.chance.randint(1, 100)})
    return alert and (one_alert(session, alert, now=known.now), steps_of(session, alert))


LISTS = (
    Question("tenants", lambda session, _: tenants(session, most=_PAGE)),
    Question("tenants who are blocked", lambda session, _: tenants(session, blocking=True, most=_PAGE)),
    Question(
        "tenants by letters",
        lambda session, known: tenants(session, letters=known.letters(), sources=["acme"], most=_PAGE),
    ),
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
    Question("alerts: one", _one_alert),
    Question("alerts in groups", lambda session, known: alerts_alike(session, WantedAlerts(), now=known.now)),
    Question("silences in pages", lambda session, known: silences_after(session, now=known.now)),
)
