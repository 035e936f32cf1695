"""What one tenant is to be asked for by an app, whether or not its turn has come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.threads import CONTACTS, contacts_of
from uptake.policies import Who
from uptake.reminding import Contact

# As models.threads has it for whoever is due; here without a thread, too.
_ASKED = text(f"""
SELECT src.id AS source_id, src.name AS source, app.external_id AS app_external_id, app.name AS app, t.id AS tenant_id,
    t.external_id AS tenant, t.name AS tenant_name, t.time_zone, t.locale, coalesce(l.labels, '{{}}') AS labels,
    s.environment, s.version, coalesce(r.target_version, app.latest_version, s.version) AS target_version,
    s.missing, s.superfluous, s.since, coalesce(r.sent, 0) AS sent,
    {CONTACTS} AS contacts
FROM standing s
JOIN app ON app.id = s.app_id JOIN source src ON src.id = app.source_id JOIN tenant t ON t.id = s.tenant_id
LEFT JOIN label_set l ON l.id = t.label_set_id
LEFT JOIN reminder r ON r.app_id = s.app_id AND r.connection_id = s.connection_id AND r.stopped_at IS NULL
WHERE src.name || ':' || app.external_id = :app AND t.external_id = :tenant
  AND s.lag = 'blocking' AND s.status = 'connected' AND app.deleted_at IS NULL
ORDER BY s.environment = 'production' DESC, s.environment
""")  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class Asked:
    """A connection that lacks something, how often it was reminded of that, and whom the next reminder is for."""

    source_id: int
    source: str
    app_external_id: str
    app: str
    tenant_id: int
    tenant: str
    tenant_name: str | None
    time_zone: str | None
    locale: str | None
    labels: Mapping[str, str]
    environment: str
    version: int | None
    target_version: int
    missing: Sequence[str]
    superfluous: Sequence[str]
    since: datetime
    sent: int
    contacts: Sequence[Contact]  # who may be written to, in their order

    @property
    def who(self) -> Who:
        """What a policy asks of it."""
        return Who(
            source=self.source,
            app=self.app_external_id,
            environment=self.environment,
            tenant=self.tenant,
            labels=self.labels,
        )


def asked(session: Session, app: str, tenant: str, *, now: datetime) -> list[Asked]:
    """What *app* asks of *tenant*, one per environment, production first; empty when it lacks nothing."""
    rows = session.execute(_ASKED, {"app": app, "tenant": tenant, "now": now}).mappings()
    return [Asked(**{**row, "contacts": contacts_of(row["contacts"])}) for row in rows]
