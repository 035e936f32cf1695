"""Recording that a poll failed: it changes no row but its own, the next due time and the source's circuit."""

from datetime import datetime, timedelta

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from models.alerts import FAILING_AFTER, source_failing
from models.event import Poll
from models.leases import LEASE, AppLease, SourceLease, keep_app, keep_source
from uptake.errors import EdgeError, Fault, PermanentError

# Faults of the portal as a whole: no use asking it about the next app before this is over.
_PORTAL_WIDE = {Fault.TRANSPORT, Fault.TLS, Fault.SERVER, Fault.RATE_LIMITED, Fault.AUTH, Fault.DEADLINE}
# These may be one app's own: too large to be walked in time, or closed to us. The list of apps tells when they are not.
_OF_ONE_APP = {Fault.AUTH, Fault.DEADLINE}
# After an answer that does not add up, nothing is taken on the source's word: the next walk looks at every page.
_DOUBTFUL = {Fault.PAGING, Fault.SCHEMA, Fault.SECURITY, Fault.PROTOCOL}
# What another try soon would only repeat, where it is meant for good: our mistake, or one that somebody has to mend.
_LASTING = {Fault.REQUEST, Fault.AUTH, Fault.REDIRECT, Fault.SCHEMA, Fault.SECURITY}
_FIRST_WAIT = timedelta(seconds=30)
_LONGEST_WAIT = timedelta(minutes=15)
# Whichever app is tried, each wait is twice the one before until the portal has answered. Those who were on their way
# already when it was opened tell nothing new.
_OPEN = text("""
UPDATE source SET circuit_open_until = greatest(circuit_open_until, :now + coalesce(cast(:asked AS interval), least(
        coalesce((circuit_open_until - circuit_opened_at) * CASE WHEN circuit_open_until > :began THEN 1 ELSE 2 END,
            cast(:first AS interval)),
        cast(:longest AS interval)))),
    circuit_opened_at = CASE WHEN circuit_opened_at IS NULL AND circuit_open_until > :now THEN NULL
        ELSE cast(:opened AS timestamptz) END,
    last_fault = :fault, last_error = :error WHERE id = :source
""")
# Three slow tries at one page outlast a lease, and whoever is only slow may go on without it: so it is over for a while
# before anybody is taken for dead. Whoever holds a row is alive.
_SILENT = """
WITH silent AS MATERIALIZED (
    SELECT {source} AS source_id, {app} AS app_id, poll_seq, lease_until FROM {table}
    WHERE lease_until < clock_timestamp() - cast(:patience AS interval) FOR NO KEY UPDATE SKIP LOCKED
), freed AS (
    UPDATE {table} SET lease_token = NULL, lease_until = NULL, rung_until = NULL, failures = failures + 1,
        next_poll_at = least(next_poll_at,
            cast(:now AS timestamptz) + cast(:wait AS interval) * (power(2, least(failures, 10)) - 1)){judged}
    FROM silent WHERE {table}.id = silent.{table}_id
)
INSERT INTO poll (source_id, app_id, seq, started_at, duration_seconds, outcome, reason)
SELECT source_id, app_id, poll_seq, lease_until - cast(:lease AS interval), 0, 'failed', :reason FROM silent
RETURNING source_id, app_id
"""
_JUDGED = f""",
        evaluate_at = CASE WHEN failures + 1 >= {FAILING_AFTER} THEN :now ELSE evaluate_at END"""
_SILENT_APPS = text(_SILENT.format(table="app", source="source_id", app="id", judged=_JUDGED))
_SILENT_SOURCES = text(_SILENT.format(table="source", source="id", app="cast(NULL AS int8)", judged=""))


def workers_fell_silent(session: Session, *, now: datetime) -> list[tuple[int, int | None]]:
    """Record the runs whose worker died as failed, and which they were: (source, app), or no app for a list of apps.

    Another worker may begin each again at once; one that has killed its worker before waits, twice as long each time.
    """
    bound = {
        "now": now,
        "patience": LEASE,
        "lease": LEASE,
        "wait": _FIRST_WAIT,
        "reason": "its worker fell silent: was it killed?",
    }
    listings = session.execute(_SILENT_SOURCES, bound).all()
    for listing in listings:
        source_failing(session, listing.source_id, now=now)
    walks = session.execute(_SILENT_APPS, bound).all()
    return [(run.source_id, run.app_id) for run in (*listings, *walks)]


def app_poll_failed(
    session: Session, lease: AppLease, error: EdgeError, *, now: datetime, duration_seconds: float
) -> None:
    """Record the failed run; the app stays as it was and is due again after a growing wait.

    What no other try would change is not tried again before the usual time.
    """
    # Source before app, as the listing locks them: the other order is a deadlock with an app's deletion.
    session.execute(text("SELECT id FROM source WHERE id = :source FOR NO KEY UPDATE"), {"source": lease.source_id})
    keep_app(session, lease)
    session.execute(
        text("""UPDATE app SET failures = failures + 1,
                next_poll_at = CASE WHEN :lasting THEN next_poll_at ELSE
                    least(next_poll_at, :now + cast(:wait AS interval) * power(2, least(failures, 10))) END,
                full_walk_at = CASE WHEN :doubtful THEN NULL ELSE full_walk_at END,
                evaluate_at = CASE WHEN failures + 1 >= :alarming THEN :now ELSE evaluate_at END
                WHERE id = :app"""),
        {
            "app": lease.app_id,
            "now": now,
            "wait": _FIRST_WAIT,
            "lasting": _is_lasting(error),
            "alarming": FAILING_AFTER,
            "doubtful": error.fault in _DOUBTFUL,
        },
    )
    _remember(session, lease, error, duration_seconds=duration_seconds)
    if error.fault not in _OF_ONE_APP:
        open_circuit(session, lease, error, now=now)
    if error.fault in {Fault.GONE, Fault.AUTH}:
        # Whether it was deleted, or we are shut out, is for the list of apps to say: read that next.
        session.execute(
            text("UPDATE source SET next_poll_at = least(next_poll_at, :now) WHERE id = :source"),
            {"source": lease.source_id, "now": now},
        )


def source_poll_failed(
    session: Session, lease: SourceLease, error: EdgeError, *, now: datetime, duration_seconds: float
) -> None:
    """Record that the list of apps could not be read; it is due again as an app would be."""
    keep_source(session, lease)
    session.execute(
        text("""UPDATE source SET failures = failures + 1, last_fault = :fault, last_error = :error,
                    next_poll_at = CASE WHEN :lasting THEN next_poll_at ELSE
                        least(next_poll_at, :now + cast(:wait AS interval) * power(2, least(failures, 10))) END
                WHERE id = :source"""),
        {
            "source": lease.source_id,
            "now": now,
            "wait": _FIRST_WAIT,
            "lasting": _is_lasting(error),
            "fault": error.fault.value,
            "error": str(error),
        },
    )
    _remember(session, lease, error, duration_seconds=duration_seconds)
    open_circuit(session, lease, error, now=now)


def _remember(session: Session, lease: AppLease | SourceLease, error: EdgeError, *, duration_seconds: float) -> None:
    """Write the failed run's own row."""
    session.execute(
        insert(Poll).values(
            source_id=lease.source_id,
            app_id=lease.app_id if isinstance(lease, AppLease) else None,
            seq=lease.seq,
            started_at=lease.started_at,
            duration_seconds=duration_seconds,
            outcome="failed",
            fault=error.fault.value,
            reason=str(error),
        )
    )


def portal_answered(session: Session, source_id: int, *, since: datetime, now: datetime) -> None:
    """Close the circuit for a reading that began at *since*: the portal is there.

    A circuit that was opened after that stays open, and so does a wait that the portal asked for.
    """
    session.execute(
        text("""UPDATE source SET circuit_open_until = NULL, last_fault = NULL, last_error = NULL
                WHERE id = :source AND (circuit_open_until IS NOT NULL OR last_fault IS NOT NULL)
                  AND (coalesce(circuit_open_until <= :now, true) OR circuit_opened_at <= :since)"""),
        {"source": source_id, "since": since, "now": now},
    )


def _is_lasting(error: EdgeError) -> bool:
    return isinstance(error, PermanentError) and error.fault in _LASTING


def open_circuit(session: Session, lease: AppLease | SourceLease, error: EdgeError, *, now: datetime) -> None:
    """Open the source's circuit on a fault of the whole portal, for as long as it asked, else for a growing wait."""
    if error.fault not in _PORTAL_WIDE:
        return
    session.execute(
        _OPEN,
        {
            "source": lease.source_id,
            "began": lease.started_at,
            "now": now,
            "asked": error.retry_after or None,
            "first": _FIRST_WAIT,
            "longest": _LONGEST_WAIT,
            "opened": None if error.retry_after else now,
            "fault": error.fault.value,
            "error": str(error),
        },
    )
