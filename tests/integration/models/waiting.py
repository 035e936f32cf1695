"""A transaction that waits for another's rows, so that a test can see which it has taken by then."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session


@contextmanager
def waiting(engine: Engine, take: Callable[[Session], object], held: str) -> Iterator[None]:
    """*take* waits for what the query *held* locks while the block runs, and comes to its end after it."""

    def taken() -> None:
        with Session(engine) as session, session.begin():
            session.execute(text("SET lock_timeout = '9s'"))
            take(session)

    with engine.connect() as holder, ThreadPoolExecutor(1) as pool:
        holder.execute(text(held))
        taking = pool.submit(taken)
        while not holder.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
            assert not taking.done()
            time.sleep(0.01)
        yield
        holder.rollback()
        taking.result()
