"""What may be changed by pages and API: each once, as it is properly asked for."""

from typing import Any, NamedTuple


class Deed(NamedTuple):
    """A change that a route makes when it is asked properly, and what the trail has of it."""

    what: tuple[str, str]
    body: dict[str, Any]
    status: int
    trail: tuple[str, ...] = ()


UNTIL = "2030-01-01T00:00:00Z"
GROUP = "acme:4711/tenant_lagging"
# Each after what it rests on.
DEEDS = (
    Deed(("POST", "/api/v1/alerts/{alert_id}/acknowledge"), {"comment": "x"}, 200, ("alert.acknowledged",)),
    Deed(("DELETE", "/api/v1/alerts/{alert_id}/acknowledge"), {}, 200, ("alert.taken_back",)),
    Deed(("POST", "/api/v1/alerts/{alert_id}/snooze"), {"until": UNTIL}, 200, ("alert.snoozed",)),
    Deed(("DELETE", "/api/v1/alerts/{alert_id}/snooze"), {}, 200, ("alert.taken_back",)),
    Deed(
        ("POST", "/alerts/hold"), {"what": "acknowledge", "whom": "all", "group": GROUP}, 303, ("alert.acknowledged",)
    ),
    Deed(("POST", "/api/v1/silences"), {"ends_at": UNTIL, "comment": "x", "app": "acme:1"}, 201, ("silence.added",)),
    Deed(("PATCH", "/api/v1/silences/{silence_id}"), {"comment": "y"}, 200, ("silence.changed",)),
    Deed(("POST", "/alerts/silences"), {"until": UNTIL[:16], "comment": "x", "app": "acme:1"}, 303, ("silence.added",)),
    Deed(("POST", "/alerts/silences/{silence_id}"), {"what": "until", "until": UNTIL[:16]}, 303, ("silence.changed",)),
    Deed(("DELETE", "/api/v1/silences/{silence_id}"), {}, 204, ("silence.ended",)),
    Deed(("POST", "/api/v1/notices/{notice_id}/replay"), {"anyway": True}, 202, ("notice.replayed",)),
    Deed(("POST", "/api/v1/apps/{app}/poll"), {}, 202, ("poll.wanted",)),
    Deed(("POST", "/api/v1/sources/{source}/poll"), {}, 202, ("poll.wanted",)),
    Deed(("POST", "/health"), {"app": "acme:4711"}, 303, ("poll.wanted",)),
    Deed(("POST", "/settings/receivers"), {"receiver": "ops"}, 200, ("receiver.tested",)),
    Deed(("POST", "/views"), {"name": "x", "address": "/alerts"}, 303),
    Deed(("POST", "/views/{view}/forget"), {}, 303),
    Deed(("POST", "/settings/tokens"), {"name": "ci", "scope": "read"}, 200, ("token.made",)),
    Deed(("POST", "/settings/tokens/revoke"), {"name": "ci"}, 303, ("token.revoked",)),
    Deed(("POST", "/settings/people"), {"name": "bob", "role": "viewer"}, 200, ("account.added", "link.made")),
    Deed(("POST", "/settings/people/link"), {"name": "bob"}, 200, ("link.made",)),
    Deed(("POST", "/settings/people/role"), {"name": "bob", "role": "operator"}, 303, ("account.role_changed",)),
    Deed(("POST", "/settings/people/state"), {"name": "bob", "to": "disabled"}, 303, ("account.disabled",)),
    Deed(("POST", "/settings/account/sessions"), {}, 303, ("sessions.ended",)),
)
# The one takes a password and gives a new session, the other a message that does not wait: both have their tests.
UNTRIED = {("POST", "/settings/account"), ("POST", "/messages/{notice_id}")}
