"""The output of many children on one terminal, each line saying whose it is."""

import asyncio
import os
from typing import TextIO

COLOURS = (36, 33, 32, 35, 34, 96, 93, 92)
WIDTH = len("dashboard")
# A line without an end must not grow for ever in our memory.
LONGEST = 1_000_000
CHUNK = 65_536


class Lines:
    """Passes whole lines on: prefixed by the child's name on a terminal, untouched where a machine may read them."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._coloured = self._terminal and not os.environ.get("NO_COLOR")
        self._colours: dict[str, int] = {}

    def write(self, name: str, line: str) -> None:
        """Print one line of *name*; when nobody reads any more, it is lost."""
        try:
            self._out.write(f"{self._prefix(name)}{line}\n")
            self._out.flush()
        except (BrokenPipeError, ValueError):
            return

    async def pipe(self, name: str) -> tuple[int, asyncio.Task[None]]:
        """An end for *name* to write to, and the task that passes it on until all holders of that end are gone.

        A pipe of asyncio's own would not do: with one, a process counts as running while a grandchild holds it.
        """
        ours, theirs = os.pipe()
        stream = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(ours, "rb")
        )
        following = asyncio.create_task(self.follow(name, stream))
        following.add_done_callback(lambda _task: transport.close())
        return theirs, following

    async def follow(self, name: str, stream: asyncio.StreamReader) -> None:
        """Pass on what *name* writes, line by line, until the end."""
        rest = b""
        while chunk := await stream.read(CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LONGEST:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self.write(name, line.decode(errors="replace").rstrip("\r"))
        if rest:
            self.write(name, rest.decode(errors="replace"))

    def _prefix(self, name: str) -> str:
        if not self._terminal:
            return ""
        label = f"{name:<{WIDTH}} | "
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        return f"\x1b[{colour}m{label}\x1b[0m" if self._coloured else label
