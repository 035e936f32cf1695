"""Notices in a Microsoft Teams channel, as an Adaptive Card by a Workflows webhook."""

from collections.abc import Iterator

import msgspec

from uptake.channels import Message, Receipt
from uptake.channels.mime import one_line
from uptake.channels.posting import PostingChannel

_ROOM = 24_000  # bytes for the lines; a card is refused above 28 KB
_LONGEST_LINE = 2_000


class TeamsChannel(PostingChannel):
    """Posts to a webhook, whose address is a secret: whoever has it can post."""

    def send(self, message: Message) -> Receipt:
        """Post *message* as runs of text, which are not read as Markdown, so that no name in it can link anywhere."""
        content = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": [_run(one_line(message.subject), size="Medium", weight="Bolder"), *_runs(message.text)],
        }
        card = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content}
        return self.post({"type": "message", "attachments": [card]})


def _runs(text: str) -> Iterator[dict[str, object]]:
    """The lines of *text*, as many as there is room for."""
    room = _ROOM
    for line in text.splitlines():
        run = _run(line[:_LONGEST_LINE])
        room -= len(msgspec.json.encode(run))
        if room < 0:
            yield _run("...")
            return
        if line.strip():
            yield run


def _run(text: str, **look: str) -> dict[str, object]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **look}]}
