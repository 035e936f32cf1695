"""How long the answer to a question that costs much is kept."""

import time
from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from dashboard.metrics.dear import Dear

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def test_what_is_dear_is_asked_for_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer is kept for a hundred times as long as it took, and for five minutes at most."""
    clock = 0.0
    asked: list[datetime] = []

    def ask(_: Session, now: datetime) -> int:
        nonlocal clock
        clock += len(asked) + 0.5
        asked.append(now)
        return len(asked)

    monkeypatch.setattr(time, "monotonic", lambda: clock)
    question, session = Dear(ask), Session()

    def answered(at: float) -> int:
        nonlocal clock
        clock = at
        return question.answer(session, now=NOW)

    found = [answered(at) for at in (0, 50.4, 50.6, 202, 202.2, 454, 455, 758, 759)]
    assert found == [1, 1, 2, 2, 3, 3, 4, 4, 5]
