"""Notices as PagerDuty incidents, by Events API v2: one incident for each group of alerts, until all of it is over."""

from uptake.channels import Message, Receipt
from uptake.channels.mime import one_line
from uptake.channels.posting import PostingChannel
from uptake.http import Client

_LONGEST_SUMMARY = 1024
_LONGEST_KEY = 255


class PagerDutyChannel(PostingChannel):
    """Sends events with *routing_key*, the integration key of a service, to *url*."""

    def __init__(self, *, url: str, routing_key: str, client: Client | None = None) -> None:
        super().__init__(url=url, client=client)
        self._routing_key = routing_key

    def send(self, message: Message) -> Receipt:
        """Trigger the incident of the notice's group; acknowledge it, or resolve it when nothing of it is open."""
        payload = message.payload
        # What is about Uptake itself is over when somebody has seen to it.
        is_over = payload.get("firing") == 0 and not payload.get("quiet")
        action = "acknowledge" if payload.get("reason") == "acknowledged" else "resolve" if is_over else "trigger"
        event: dict[str, object] = {
            "routing_key": self._routing_key,
            "event_action": action,
            # While it is open, PagerDuty adds whatever comes with the same key to the incident, and notifies once.
            "dedup_key": f"uptake:{_incident_of(message)}"[:_LONGEST_KEY],
        }
        if action == "trigger":
            event |= {"client": "Uptake", "payload": self._incident(message)}
        return self.post(event)

    def _incident(self, message: Message) -> dict[str, object]:
        payload = message.payload
        return {
            "summary": one_line(message.subject)[:_LONGEST_SUMMARY],
            "source": str(payload.get("app") or payload.get("source") or "uptake"),
            "severity": payload.get("severity") or "warning",
            "class": payload.get("kind"),
            "custom_details": {"text": message.text, "key": message.key},
        }


def _incident_of(message: Message) -> str:
    """What stays the same while it is one incident: the group of alerts, or what of Uptake is not well."""
    payload = message.payload
    own = [str(payload[name]) for name in ("type", "receiver", "file") if name in payload]
    return str(payload.get("group") or ":".join(own) or message.key)
