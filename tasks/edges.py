"""The clients of this process, made once from uptake.toml: sources to read, channels to send by."""

import functools

from celery import current_app
from pydantic import SecretStr

from config.receivers import (
    AppriseReceiver,
    EmailReceiver,
    FileReceiver,
    LogReceiver,
    PagerDutyReceiver,
    Receiver,
    SlackReceiver,
    TeamsReceiver,
    WebhookReceiver,
)
from tasks.manners import pace
from tasks.rules import rules
from uptake.channels import Channel
from uptake.channels.apprise import AppriseChannel
from uptake.channels.email import EmailChannel
from uptake.channels.file import FileChannel
from uptake.channels.log import LogChannel
from uptake.channels.pagerduty import PagerDutyChannel
from uptake.channels.slack import SlackChannel
from uptake.channels.teams import TeamsChannel
from uptake.channels.webhook import WebhookChannel
from uptake.errors import Fault, PermanentError
from uptake.sources import Source
from uptake.sources.portal import PortalSource


@functools.cache
def source_named(name: str) -> Source:
    """The client of the source *name*; keeps its token and connections for the life of the process."""
    table = rules().sources.get(name)
    if table is None:
        raise PermanentError(f'source "{name}" is not in uptake.toml any more', fault=Fault.REQUEST)
    return PortalSource(
        name=table.name,
        url=table.url,
        token_url=table.token_url,
        organization=table.organization,
        client_id=table.client_id,
        client_secret=table.client_secret.get_secret_value(),
        app_key=table.app_key.get_secret_value(),
        page_size=table.page_size,
        pace=pace(current_app.conf.broker_url, table.name, table.rate),
    )


@functools.cache
def channel_named(receiver: str) -> Channel:
    """The way out to *receiver*, kept for the life of the process."""
    table = rules().receivers.get(receiver)
    if table is None and receiver != "log":
        raise PermanentError(f'receiver "{receiver}" is not in uptake.toml any more', fault=Fault.REQUEST)
    return channel(table) if table else LogChannel()


def channel(table: Receiver) -> Channel:  # noqa: PLR0911 - one for each kind
    """A way out to the receiver that *table* describes."""
    match table:
        case EmailReceiver():
            return EmailChannel(url=table.url, sender=table.sender, password=_shown(table.password))
        case FileReceiver():
            return FileChannel(directory=table.folder, sender=table.sender)
        case WebhookReceiver():
            return WebhookChannel(url=table.url, secret=table.secret.get_secret_value())
        case SlackReceiver():
            return SlackChannel(url=table.url.get_secret_value())
        case TeamsReceiver():
            return TeamsChannel(url=table.url.get_secret_value())
        case PagerDutyReceiver():
            return PagerDutyChannel(url=table.url, routing_key=table.routing_key.get_secret_value())
        case AppriseReceiver():
            return AppriseChannel(url=table.url.get_secret_value())
        case LogReceiver():
            return LogChannel()


def addresses_of(table: Receiver | None) -> tuple[str, ...]:
    """Whom one notice for the receiver goes to, each in a message of its own; "" where there is one place only."""
    return table.to if isinstance(table, EmailReceiver | FileReceiver) else ("",)


def _shown(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
