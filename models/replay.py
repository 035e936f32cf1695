"""One message once more, because somebody asks for it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

# It belongs to no group's order any more and takes no turn of a thread, but is looked at once more before it is sent.
# What goes out by itself would be there twice. The first free number is found by whole keys, for the one index on them
# knows no part of a key.
_REPLAY = text("""
WITH RECURSIVE old AS (
    SELECT * FROM notice WHERE id = :notice AND state NOT IN ('due', 'sending') FOR NO KEY UPDATE
), turn (number) AS (
    SELECT 1 UNION ALL SELECT number + 1 FROM turn
    WHERE EXISTS (SELECT FROM notice x WHERE x.key = (SELECT key FROM old) || ':replay:' || number)
), made AS (
    INSERT INTO notice (key, receiver, "to", reason, source_id, app_id, tenant_id, reminder_id, subject, body, html,
        payload, state, created_at, due_at)
    SELECT key || ':replay:' || (SELECT max(number) FROM turn), receiver, "to", reason, source_id, app_id, tenant_id,
        reminder_id, subject, body, html, payload - 'anyway' || jsonb_build_object('replay_of', key)
            || CASE WHEN :anyway THEN jsonb_build_object('anyway', true) ELSE '{}' END, 'due', :now, :now FROM old
    ON CONFLICT DO NOTHING RETURNING id
), turns AS (
    INSERT INTO notice_reminder (notice_id, reminder_id, number, target_version)
    SELECT made.id, p.reminder_id, 0, p.target_version FROM made, notice_reminder p WHERE p.notice_id = :notice
    ON CONFLICT (notice_id, reminder_id) DO UPDATE SET number = 0
)
SELECT id FROM made
""")
_AGAINST = text("""
WITH thread AS (
    SELECT CASE WHEN NOT EXISTS (SELECT FROM contact k WHERE k.tenant_id = r.tenant_id AND k.email = n."to")
                THEN 'no_contact'
            WHEN NOT EXISTS (SELECT FROM contact k WHERE k.tenant_id = r.tenant_id AND k.email = n."to"
                AND k.opted_out_at IS NULL) THEN 'opted_out' END AS out,
        CASE WHEN r.stopped_at IS NOT NULL THEN r.stop_reason WHEN s.lag = 'unknown' THEN 'not_judged'
            WHEN s.lag IS DISTINCT FROM 'blocking' THEN 'nothing_missing'
            WHEN p.target_version < r.target_version THEN 'superseded' END AS over
    FROM notice n JOIN notice_reminder p ON p.notice_id = n.id JOIN reminder r ON r.id = p.reminder_id
    LEFT JOIN standing s ON s.connection_id = r.connection_id WHERE n.id = :notice
)
SELECT CASE WHEN state IN ('due', 'sending') THEN state END AS waits, (SELECT max(out) FROM thread) AS out,
    coalesce((SELECT min(over) FROM thread), (
        -- Whoever keeps incidents would open one that nothing ends.
        SELECT 'all_resolved' FROM notice_group g WHERE g.id = n.group_id AND g.flush_at IS NULL
            AND n.payload ->> 'firing' <> '0')) AS over
FROM notice n WHERE n.id = :notice
""")


@dataclass(frozen=True, slots=True)
class Against:
    """What speaks against sending a message once more; each is None where nothing does."""

    waits: str | None  # due | sending: it goes out by itself
    out: str | None  # opted_out | no_contact: whom it was for must not be written to
    over: str | None  # why there is nothing more to ask in this reminder


def against(session: Session, notice_id: int) -> Against | None:
    """What speaks against sending it once more; None: there is no such message."""
    found = session.execute(_AGAINST, {"notice": notice_id}).one_or_none()
    return Against(*found) if found else None


def replay(session: Session, notice_id: int, *, now: datetime, anyway: bool = False) -> int | None:
    """Queue the message once more, by a key of its own; the id of that one.

    None when there is no such message, or it waits to be sent itself. A reminder goes out only while it is true, unless
    *anyway*; to somebody who opted out, or is no contact any more, it never does.
    """
    made: int | None = session.scalar(_REPLAY, {"notice": notice_id, "now": now, "anyway": anyway})
    return made
