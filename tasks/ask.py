"""What a reminder thread asks of its tenant, in the facts that a message is written from."""

from datetime import datetime

from models.threads import DueReminder
from uptake.policy import Policy
from uptake.wording import Ask


def asked(one: DueReminder, policy: Policy, *, now: datetime) -> Ask:
    """What *one* has to say at its next turn."""
    return Ask(
        app=one.app,
        organization=one.source,
        tenant=one.tenant_name or one.tenant,
        environment=one.environment,
        from_version=one.version,
        to_version=one.target_version,
        missing=tuple(one.missing),
        superfluous=tuple(one.superfluous),
        blocked_since=one.since,
        days=max(0, (now - one.since).days),
        step=one.thread.sent + 1,
        deadline=policy.deadline,
    )
