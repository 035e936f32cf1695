"""Whoever listens to events as they happen: one look a second for all of them, and each has a place of their own."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock

import structlog
from anyio import to_thread
from sqlalchemy.exc import SQLAlchemyError

from models import Session
from models.queries.event_feed import FIRST, Fed, FeedEvent, Place, events_after, last_event

log = structlog.get_logger()
MOST_EACH = 10  # streams of one caller
EVERY = 1.0  # seconds between two looks
HEARTBEAT = 15.0
CHECKED_EVERY = 5.0  # seconds after which a caller has to be one still
_AT_ONCE = 200
_KEPT = 2000  # events for whoever is slow; who is slower reads them from the database


class Listeners:
    """The streams of this process. While there is one, new events are read once a second; without any, never."""

    def __init__(self) -> None:
        self.is_closing = False
        self._events: deque[FeedEvent] = deque()
        self._floor: Place | None = None  # all events after it are in _events; None: nothing is known yet
        self._head: Place = FIRST
        self._news = asyncio.Event()
        self._of_caller: Counter[str] = Counter()
        self._admitting = Lock()  # requests are admitted in threads
        self._listening = 0
        self._looking: asyncio.Task[None] | None = None

    def close(self) -> None:
        """Let every stream end within a second or so; may be called by a signal."""
        self.is_closing = True

    def admit(self, caller: str) -> Callable[[], None] | None:
        """Give this caller one stream more, until what is returned is called, once; None: they have all they may."""
        with self._admitting:
            if self._of_caller[caller] >= MOST_EACH:
                return None
            self._of_caller[caller] += 1
        return partial(self._leave, caller)

    def _leave(self, caller: str) -> None:
        with self._admitting:
            self._of_caller -= Counter([caller])

    async def listen(
        self, after: Place | None, *, is_still: Callable[[], bool]
    ) -> AsyncIterator[tuple[Place, list[FeedEvent]]]:
        """The events *after* that place (None: from now on) as they happen, each time with the place that is reached.

        Nothing new for a while is told as no events. It ends when the caller *is_still* one no more, or all is closed.
        """
        with self._counted():
            clock = asyncio.get_running_loop()
            told_at = checked_at = clock.time()
            place = after
            while not self.is_closing:
                place, found = await self._next(place)
                if found or clock.time() - told_at >= HEARTBEAT:
                    told_at = clock.time()
                    yield place, found
                else:
                    await self._wait()
                if clock.time() - checked_at >= CHECKED_EVERY:
                    checked_at = clock.time()
                    if not await to_thread.run_sync(_unless_broken, is_still):
                        return

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._listening += 1
        try:
            yield
        finally:
            self._listening -= 1

    def _require_looking(self) -> None:
        """Have somebody look, also after whoever did broke off."""
        if self._looking is None or self._looking.done():
            self._events.clear()
            self._floor = None
            self._news = asyncio.Event()
            self._looking = asyncio.create_task(self._look_on())

    async def _next(self, place: Place | None) -> tuple[Place, list[FeedEvent]]:
        self._require_looking()
        while self._floor is None and not self.is_closing:
            await self._wait()
        floor = self._floor or FIRST
        if place is None:
            return self._head, []
        if place < floor:
            try:
                fed = await to_thread.run_sync(_read, place)
            except SQLAlchemyError:
                return place, []
            return max(fed.last, floor) if fed.is_whole else fed.last, list(fed.events)
        return max(place, self._head), [one for one in self._events if one.place > place]

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._news.wait(), EVERY)
        except TimeoutError:
            return

    async def _look_on(self) -> None:
        while self._listening and not self.is_closing:
            try:
                await self._look()
            except SQLAlchemyError:
                log.warning("feed.unread")
            await asyncio.sleep(EVERY)

    async def _look(self) -> None:
        if self._floor is None:
            self._floor = self._head = await to_thread.run_sync(_last)
        else:
            await self._catch_up()
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _catch_up(self) -> None:
        """Read what is new, however much it is: no more of it at one look than is kept."""
        for _ in range(_KEPT // _AT_ONCE):
            fed = await to_thread.run_sync(_read, self._head)
            self._events.extend(fed.events)
            self._head = fed.last
            while len(self._events) > _KEPT:
                self._floor = self._events.popleft().place
            if fed.is_whole:
                return


def _unless_broken(is_still: Callable[[], bool]) -> bool:
    """What it says; while the database says nothing, nothing is told either."""
    try:
        return is_still()
    except SQLAlchemyError:
        return True


def _read(after: Place) -> Fed:
    with Session() as session:
        return events_after(session, after, most=_AT_ONCE)


def _last() -> Place:
    with Session() as session:
        return last_event(session)
