"""The portal's pages as files: written once, then changed in place, each step the same in every run."""

import os
import random
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from bench import rows
from bench.shape import FIRST_APP, Shape

# The ETag of a file is its size and the second of its change: changed files must not share a second.
_FIRST_MTIME = 1_700_000_000
_LISTED = 500


class Fixture:
    """A *shape* under *root*: `apps/1.json`, `10000/versions/1.json`, `10000/connections/1.json` and so on."""

    def __init__(self, root: Path, shape: Shape, *, seed: int = 1) -> None:
        self.root = root
        self.shape = shape
        starts = bytes(shape.starts)
        self.versions = bytearray((starts * (shape.rows // len(starts) + 1))[: shape.rows])
        self._random = random.Random(seed)
        self._generations = [[0] * (shape.pages + 1) for _ in range(shape.apps)]

    def write(self) -> None:
        """Write everything."""
        listed = [rows.app(self.shape, app) for app in range(self.shape.apps)]
        self._write_list(self.root / "apps", listed)
        for app, described in enumerate(listed):
            place = self._place(app)
            self._write_list(place / "versions", rows.versions(self.shape, app))
            (place / "app.json").write_bytes(described)
            (place / "connections").mkdir()
            for page in range(1, self.shape.pages + 1):
                self._write_page(app, page)

    def change(self, share: float) -> int:
        """Upgrade *share* of all connections by one version, chosen at random; how many there were."""
        upgradable = [number for number, version in enumerate(self.versions) if version < self.shape.latest]
        wanted = round(self.shape.rows * share)
        if len(upgradable) < wanted * 0.99:
            raise RuntimeError("too many rounds: nearly all connections run the latest version")
        chosen = upgradable if wanted >= len(upgradable) else self._random.sample(upgradable, wanted)
        by_page: dict[tuple[int, int], list[int]] = defaultdict(list)
        for number in chosen:
            self.versions[number] += 1
            app, tenant = divmod(number, self.shape.tenants)
            by_page[app, tenant // self.shape.page + 1].append(number)
        for (app, page), numbers in by_page.items():
            self._change_page(app, page, numbers)
        return len(chosen)

    def stamp(self) -> None:
        """Make the bytes of every page of connections differ, though no connection does."""
        for app in range(self.shape.apps):
            for page in range(1, self.shape.pages + 1):
                with self._path(app, page).open("r+b", buffering=0) as file:
                    file.write(self._header(app, page))
                self._touch(app, page)

    def _write_page(self, app: int, page: int) -> None:
        items = [rows.connection(self.shape, n, self.versions[n]) for n in self.shape.numbers(app, page)]
        if len({len(item) for item in items}) != 1:
            raise RuntimeError("connections of different lengths cannot be changed in place")
        path = self._path(app, page)
        path.write_bytes(rows.page(items, page, size=self.shape.page, total=self.shape.tenants))
        os.utime(path, (_FIRST_MTIME, _FIRST_MTIME))

    def _change_page(self, app: int, page: int, numbers: Iterable[int]) -> None:
        path, first = self._path(app, page), self.shape.numbers(app, page)[0]
        content = bytearray(path.read_bytes())
        head = self._header(app, page)
        content[: len(head)] = head
        for number in numbers:
            item = rows.connection(self.shape, number, self.versions[number])
            start = len(head) + (number - first) * (len(item) + 1)
            content[start : start + len(item)] = item
        with path.open("r+b", buffering=0) as file:
            file.write(content)
        self._touch(app, page)

    def _header(self, app: int, page: int) -> bytes:
        self._generations[app][page] += 1
        generation = self._generations[app][page]
        return rows.header(page, size=self.shape.page, total=self.shape.tenants, generation=generation)

    def _touch(self, app: int, page: int) -> None:
        at = _FIRST_MTIME + self._generations[app][page]
        os.utime(self._path(app, page), (at, at))

    def _place(self, app: int) -> Path:
        return self.root / str(FIRST_APP + app)

    def _path(self, app: int, page: int) -> Path:
        return self._place(app) / "connections" / f"{page}.json"

    def _write_list(self, place: Path, items: list[bytes]) -> None:
        place.mkdir(parents=True)
        for page, first in enumerate(range(0, len(items), _LISTED), start=1):
            content = rows.page(items[first : first + _LISTED], page, size=_LISTED, total=len(items))
            (place / f"{page}.json").write_bytes(content)
