"""Who may hear of something: the kinds of [[receiver]] in uptake.toml, one for each channel."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from config.file_values import Folder, HttpUrl, Mailbox, MessageRate, Name, Secret, SecretUrl, SmtpUrl, Table


class _Receiver(Table):
    # Whether it wants to know that somebody looks after what it was told of.
    hears_acknowledgements: ClassVar[bool] = False

    name: Name
    send_resolved: bool = True
    # Messages about alerts in an hour; the rest waits, and is one message that says so. 0: as many as there are.
    cap: Annotated[int, Field(ge=0, le=10_000)] = 60
    # Messages of all kinds, by all workers together; what exceeds it goes out later. None: as fast as they are sent.
    rate: MessageRate | None = None


class LogReceiver(_Receiver):
    """Notices go to the log."""

    kind: Literal["log"]
    cap: Annotated[int, Field(ge=0, le=10_000)] = 0  # nobody is woken by it


class EmailReceiver(_Receiver):
    """Notices go out by SMTP; without *to* only reminders can, to the tenant's contacts."""

    kind: Literal["email"]
    url: SmtpUrl
    sender: Annotated[Mailbox, Field(alias="from")]
    to: Annotated[tuple[Mailbox, ...], Field(strict=False)] = ()
    password: Secret | None = None


class FileReceiver(_Receiver):
    """Notices become .eml files in *folder*, which starts from the file's own; otherwise as with e-mail."""

    kind: Literal["file"]
    folder: Folder
    sender: Annotated[Mailbox, Field(alias="from")]
    to: Annotated[tuple[Mailbox, ...], Field(strict=False)] = ()


class WebhookReceiver(_Receiver):
    """Notices are posted to *url*, signed by Standard Webhooks."""

    kind: Literal["webhook"]
    url: HttpUrl
    secret: Secret


class SlackReceiver(_Receiver):
    """Notices appear in the Slack channel of an incoming webhook."""

    kind: Literal["slack"]
    url: SecretUrl


class TeamsReceiver(_Receiver):
    """Notices appear in the Teams channel of a Workflows webhook."""

    kind: Literal["teams"]
    url: SecretUrl


class PagerDutyReceiver(_Receiver):
    """Groups of alerts are incidents of a service with an Events API v2 integration."""

    hears_acknowledgements = True

    kind: Literal["pagerduty"]
    routing_key: Secret
    url: HttpUrl = "https://events.pagerduty.com/v2/enqueue"


class AppriseReceiver(_Receiver):
    """Notices go wherever an Apprise URL leads."""

    kind: Literal["apprise"]
    url: Secret


Receiver = (
    LogReceiver
    | EmailReceiver
    | FileReceiver
    | WebhookReceiver
    | SlackReceiver
    | TeamsReceiver
    | PagerDutyReceiver
    | AppriseReceiver
)
LOG = LogReceiver(name="log", kind="log")
# What reaches people one by one, or hands each message on with its address.
REMINDS = (LogReceiver, EmailReceiver, FileReceiver, WebhookReceiver)
