"""The clients of this process, made once from uptake.toml: sources to read, channels to send by."""

import functools

from celery import current_app

from config.policy_file import EmailReceiver, WebhookReceiver
from tasks.manners import pace
from tasks.rules import rules
from uptake.channels import Channel
from uptake.channels.email import EmailChannel
from uptake.channels.log import LogChannel
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
    if isinstance(table, WebhookReceiver):
        return WebhookChannel(url=table.url, secret=table.secret.get_secret_value())
    if isinstance(table, EmailReceiver):
        password = table.password.get_secret_value() if table.password else None
        return EmailChannel(url=table.url, sender=table.sender, password=password)
    if table is None and receiver != "log":
        raise PermanentError(f'receiver "{receiver}" is not in uptake.toml any more', fault=Fault.REQUEST)
    return LogChannel()
