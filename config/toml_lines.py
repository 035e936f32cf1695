"""On which line each key of a TOML text stands, because the standard parser does not tell."""

import re
import tomllib

Path = tuple[str | int, ...]
_SPACE = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")


def lines(text: str) -> dict[Path, int]:
    """The line, counted from 1, of every table, key and array item of *text*, which must be valid TOML."""
    return _Scan(text.replace("\r\n", "\n")).run()


class _Scan:
    """One walk over a text that tomllib has accepted, so that only positions are left to find."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.found: dict[Path, int] = {(): 1}
        self.items: dict[Path, int] = {}  # how many tables each array of tables has so far

    def run(self) -> dict[Path, int]:
        table: Path = ()
        while self._skip(_GAP) < len(self.text):
            if self.text.startswith("[", self.at):
                table = self._header()
            else:
                self._pair(table)
        return self.found

    def _header(self) -> Path:
        line, doubled = self._line(), self.text.startswith("[[", self.at)
        self.at += 2 if doubled else 1
        *above, last = self._key()
        self.at += 2 if doubled else 1
        place = (*self._resolve(above), last)
        if doubled:
            index = self.items[place] = self.items.get(place, -1) + 1
            self._note(place, line)
            place = (*place, index)
        else:
            place = self._resolve(place)
        self._note(place, line)
        return place

    def _resolve(self, key: list[str] | Path) -> Path:
        # A header such as [a.b] below [[a]] means the latest item of a.
        place: Path = ()
        for part in key:
            place = (*place, part)
            if place in self.items:
                place = (*place, self.items[place])
        return place

    def _pair(self, table: Path) -> None:
        line, place = self._line(), table
        for part in self._key():
            place = (*place, part)
            self._note(place, line)
        self.at += 1  # the equals sign
        self._value(place)

    def _key(self) -> list[str]:
        parts = []
        while True:
            self._skip(_SPACE)
            quoted = self.text[self.at] in "\"'"
            raw = self._take(_STRING if quoted else _BARE)
            # The parser itself undoes the quoting and its escapes.
            parts.append(str(tomllib.loads(f"k = {raw}")["k"]) if quoted else raw)
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1

    def _value(self, place: Path) -> None:
        self._skip(_SPACE)
        match self.text[self.at]:
            case "[":
                self._array(place)
            case "{":
                self._inline_table(place)
            case '"' | "'":
                self._take(_STRING)
            case _:
                self._take(_SCALAR)

    def _array(self, place: Path) -> None:
        index = 0
        self.at += 1
        while self.text[self._skip(_GAP)] != "]":
            self._note((*place, index), self._line())
            self._value((*place, index))
            index += 1
            if self.text[self._skip(_GAP)] == ",":
                self.at += 1
        self.at += 1

    def _inline_table(self, place: Path) -> None:
        self.at += 1
        while self.text[self._skip(_GAP)] != "}":
            self._pair(place)
            if self.text[self._skip(_GAP)] == ",":
                self.at += 1
        self.at += 1

    def _note(self, place: Path, line: int) -> None:
        self.found.setdefault(place, line)

    def _line(self) -> int:
        return self.text.count("\n", 0, self.at) + 1

    def _skip(self, pattern: re.Pattern[str]) -> int:
        self._take(pattern)
        return self.at

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise ValueError(f"line {self._line()} is not the TOML this walk knows")
        self.at = found.end()
        return found.group()
