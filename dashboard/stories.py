"""What `uptake explain` says, for pages: the whole story of a tenant and an app, without what was sent."""

from collections.abc import Sequence

from config.settings import SettingsError
from dashboard.discreet import discreet_stop
from dashboard.frame import Frame
from models.queries.tenants import story
from models.stopped import stopped
from models.verdicts import history_of
from tasks.hearing import hearing
from tasks.rules import rules
from tasks.story import told


def told_of(frame: Frame, app: str, tenant: str, *, environment: str | None = None) -> Sequence[str] | None:
    """How the tenant stands with the app (in one environment) and by which rule; None: uptake.toml cannot be used.

    Who is written to, and what servers said, is told to operators only.
    """
    try:
        chosen = rules()
    except SettingsError:
        return None
    session, now = frame.session, frame.now
    unusable = [discreet_stop(frame.caller, one) for one in stopped(session)]
    return [
        line
        for one in story(session, app, tenant, now=now)
        if environment in {None, one.environment}
        for line in told(
            one,
            (),
            history_of(session, one.app_id),
            chosen.policies,
            chosen.features,
            hearing(one, chosen.policies, unusable, now=now),
            now=now,
            names_people=frame.may_act,
        )
    ]
