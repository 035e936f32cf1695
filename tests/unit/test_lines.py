"""How the output of many children looks on one terminal."""

import asyncio
import io

import pytest

from worker import lines
from worker.lines import Lines


class Terminal(io.StringIO):
    """Text that claims to be seen by a person."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def _followed(out: io.StringIO, *chunks: bytes) -> str:
    async def feed() -> None:
        stream = asyncio.StreamReader()
        for chunk in chunks:
            stream.feed_data(chunk)
        stream.feed_eof()
        await Lines(out).follow("beat", stream)

    asyncio.run(feed())
    return out.getvalue()


def test_lines_for_machines_are_untouched() -> None:
    """A JSON line stays one; a line that comes in pieces is put together, and the last one needs no end."""
    assert _followed(io.StringIO(), b'{"a":', b"1}\nlast") == '{"a":1}\nlast\n'


def test_lines_for_people_say_whose_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal each line begins with the name, coloured by child."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert _followed(Terminal(), b"one\ntwo\n").splitlines() == [
        "\x1b[36mbeat      | \x1b[0mone",
        "\x1b[36mbeat      | \x1b[0mtwo",
    ]


def test_colours_can_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR leaves the names."""
    monkeypatch.setenv("NO_COLOR", "1")
    assert _followed(Terminal(), b"one\n") == "beat      | one\n"


def test_endless_line_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that never ends its line cannot fill our memory."""
    monkeypatch.setattr(lines, "LONGEST", 10)
    monkeypatch.setattr(lines, "CHUNK", 8)
    assert _followed(io.StringIO(), b"x" * 20) == "x" * 16 + "\n" + "x" * 4 + "\n"


def test_closed_output_is_no_trouble() -> None:
    """When nobody reads any more, the children go on."""
    out = io.StringIO()
    passed = Lines(out)
    out.close()
    passed.write("beat", "unheard")
