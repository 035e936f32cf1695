"""What the templates of a message may hold, and the built-in ones."""

from collections.abc import Mapping
from typing import NamedTuple

PARTS = ("subject", "txt", "html")


class Placeholders(NamedTuple):
    """The closed set of one kind of message."""

    lines: frozenset[str]  # a few words on one line
    addresses: frozenset[str]  # of a page, or nothing
    blocks: frozenset[str]  # paragraphs and lists, or nothing

    def of(self, part: str) -> frozenset[str]:
        """What may stand in this part: a subject has room for a few words only."""
        return self.lines if part == "subject" else self.lines | self.addresses | self.blocks


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


KINDS: Mapping[str, Placeholders] = {
    "reminder": Placeholders(
        _names("subject language app organization tenant version count step since days deadline click_path permission"),
        _names("accept_url opt_out_url"),
        _names(
            "greeting opening escalation asks features missing superfluous why accept how effort who closing because"
            " stop"
        ),
    ),
    "digest": Placeholders(
        _names("subject language state app source title open over quiet hidden"),
        _names("link_url"),
        _names("headline reason counts members more link"),
    ),
}

_HEAD = """\
<!doctype html>
<html lang="$language">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" \
content="light dark"><title>$subject</title></head>
<body style="font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;\
line-height:1.5;max-width:38em;margin:1.5em auto;padding:0 1.25em;overflow-wrap:anywhere">
"""
BUILT_IN: Mapping[str, str] = {
    "reminder.subject": "$subject",
    "reminder.txt": """\
$greeting

$opening

$escalation

$asks

$accept

$how

$effort

$who

$closing

$because

$stop
""",
    # No colours of our own but the button's: the reader's light or dark ones are always readable.
    "reminder.html": f"""\
{_HEAD}$greeting
$opening
$escalation
$asks
$accept
$how
$effort
$who
$closing
<div style="border-top:1px solid;margin-top:2em;padding-top:.5em;font-size:14px;opacity:.8">
$because
$stop
</div>
</body>
</html>
""",
    "digest.subject": "$subject",
    "digest.txt": """\
$headline

$reason

$counts

$members

$more

$link
""",
    "digest.html": f"""\
{_HEAD}$headline
$reason
$counts
$members
$more
$link
</body>
</html>
""",
}
