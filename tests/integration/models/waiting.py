"""A transaction that waits for another's rows, so that a test can see which it has taken by then."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

# Others wait for others, on the server that all tests share.
_IS_WAITED_FOR = text("SELECT EXISTS (SELECT FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid)))")


@contextmanager
def waiting(engine: Engine, take: Callable[[Session], object], held: str) -> Iterator[None]:
    """*take* waits for what the query *held* locks while the block runs, and comes to its end after it."""

    def taken() -> None:
        with Session(engine) as session, session.begin():
            session.execute(text("SET lock_timeout = '9s'"))
            take(session)

    with ThreadPoolExecutor(1) as pool, engine.connect() as holder:
        holder.execute(text(held))
        taking = pool.submit(taken)
        while not holder.scalar(_IS_WAITED_FOR):
            assert not taking.done()
            time.sleep(0.01)
        yield
        holder.rollback()
        taking.result()
