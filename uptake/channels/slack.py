"""Notices in a Slack channel, by an incoming webhook."""

from collections.abc import Iterator

from uptake.channels import Message, Receipt
from uptake.channels.mime import one_line
from uptake.channels.posting import PostingChannel

_LONGEST_HEADER = 150
_LONGEST_SECTION = 3000
_MOST_SECTIONS = 10  # far below Slack's 50 blocks: who needs more looks at the dashboard


class SlackChannel(PostingChannel):
    """Posts to a webhook, whose address is a secret: whoever has it can post."""

    def send(self, message: Message) -> Receipt:
        """Post *message* as plain text, so that no name in it can mention or link anybody."""
        subject = one_line(message.subject)
        header = {"type": "header", "text": _plain(subject[:_LONGEST_HEADER])}
        sections = [{"type": "section", "text": _plain(part)} for part in _parts(message.text)]
        # Shown in notifications, where Slack's own markup is read: three characters make all of it.
        fallback = subject.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return self.post({"text": fallback, "blocks": [header, *sections[:_MOST_SECTIONS]]})


def _plain(text: str) -> dict[str, object]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _parts(text: str) -> Iterator[str]:
    """*text* in pieces that a section can hold, broken between lines where there are any."""
    part = ""
    for line in text.strip().splitlines(keepends=True):
        for start in range(0, len(line), _LONGEST_SECTION):
            piece = line[start : start + _LONGEST_SECTION]
            if len(part) + len(piece) > _LONGEST_SECTION:
                yield part
                part = ""
            part += piece
    if part.strip():
        yield part
