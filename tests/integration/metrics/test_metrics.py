"""What Prometheus is told: every figure that is declared, right, and never of whom."""

import shutil
import subprocess
from datetime import timedelta

import pytest
from sqlalchemy import text

from config.settings import settings
from dashboard.app import application
from dashboard.metrics import answer as answering
from dashboard.metrics.declared import DECLARED
from models import Session
from models.queries.figures import be_brief
from tests.integration.access.callers import asked, bearer, cookie
from tests.integration.metrics.scraped import scraped, values
from tests.integration.models.world import World

SUFFIXES = ("_total", "_bucket", "_sum", "_count")


def test_all_that_is_declared_is_told(lived: World, own_url: str) -> None:
    """Each metric, with the kind, the help and the labels that are declared; beside them only the process' own."""
    app, headers = application(own_url), bearer(lived.session)
    scraped(app, headers)
    app.state.figures._kept.clear()
    lived.put("3", 2)
    lived.poll()
    lived.session.commit()
    found = {family.name: family for family in scraped(app, headers).values() if not family.name.startswith("process_")}
    assert set(found) == {one.name.removesuffix("_total") for one in DECLARED}
    for one in DECLARED:
        family = found[one.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (one.kind, one.help)
        labels = {name for sample in family.samples for name in sample.labels} - {"le"}
        assert labels == set(one.labels), one.name


def test_promtool_is_content(lived: World, own_url: str) -> None:
    """Prometheus' own tool finds nothing to say of names, units and kinds."""
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is missing: apt install prometheus")
    told = asked(own_url, "GET", "/metrics", headers=bearer(lived.session)).content
    done = subprocess.run([promtool, "check", "metrics"], input=told, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_how_a_rollout_stands(lived: World, own_url: str) -> None:
    """Tenants by class, the share that has the latest version, and for how long the others are blocked."""
    found = scraped(own_url, bearer(lived.session))
    place = ("acme:4711",)
    counts = {key[1]: value for key, value in values(found, "uptake_app_connections").items() if key[0] == place[0]}
    told = {
        "current": 2,
        "blocking": 2,
        "not_connected": 1,
        "trimming": 0,
        "equivalent": 0,
        "unknown": 0,
        "disabled": 0,
    }
    assert counts == told
    assert values(found, "uptake_app_adoption_ratio") == {("acme:4711", "production"): 0.5}
    ages = values(found, "uptake_app_blocked_connections")
    assert {key[1]: value for key, value in ages.items() if value} == {"30-60": 2}
    assert values(found, "uptake_app_latest_version") == {place: 2}
    (read,) = values(found, "uptake_app_last_complete_poll_timestamp_seconds").values()
    exact_at = lived.rows("SELECT exact_at FROM freshness")[0][0]
    assert read == pytest.approx(exact_at.timestamp(), abs=1e-3)


def test_what_waits(lived: World, own_url: str) -> None:
    """Work that is due, messages for each receiver, alerts by state, and who cannot be told."""
    found = scraped(own_url, bearer(lived.session))
    alerts = values(found, "uptake_alerts")
    assert alerts
    assert {key[0] for key in alerts} >= {"tenant_lagging"}
    assert sum(alerts.values()) == lived.rows("SELECT count(*) FROM alert WHERE resolved_at IS NULL")[0][0]
    notices = values(found, "uptake_notices")
    assert notices["ops", "due"] == 1
    assert notices["tenants", "later"] == 1
    assert notices["pager", "due"] == 0
    assert values(found, "uptake_receiver_stopped") == {("log",): 0, ("ops",): 0, ("pager",): 1, ("tenants",): 0}
    assert values(found, "uptake_notices_oldest_due_timestamp_seconds").keys() == {("ops",)}
    due = values(found, "uptake_work_due")
    assert due.keys() == {("lists",), ("polls",), ("evaluations",), ("messages",), ("reminders",)}
    assert due["polls",] == 1
    assert values(found, "uptake_evaluations_broken") == {(): 1}
    assert sum(values(found, "uptake_reminders").values()) == 2
    assert values(found, "uptake_last_tick_timestamp_seconds")[()] > 1e9


def test_acknowledged_alerts_do_not_fire(lived: World, own_url: str) -> None:
    """Whoever alerts on what fires is left alone by what somebody looks after."""
    lived.session.execute(text("UPDATE alert SET state = 'firing', severity = 'info', acknowledged_at = now()"))
    lived.session.commit()
    assert {key[2] for key in values(scraped(own_url), "uptake_alerts")} == {"acknowledged"}
    lived.session.execute(text("UPDATE alert SET acknowledged_at = NULL, snoozed_until = now() + interval '1 day'"))
    lived.session.commit()
    assert {key[2] for key in values(scraped(own_url), "uptake_alerts")} == {"snoozed"}
    # Of two of a kind one is held by now: the other fires, and so does one that was held until yesterday.
    lived.session.execute(
        text("""UPDATE alert SET kind = 'tenant_lagging', connection_id = id,
        snoozed_until = now() + interval '1 day' * CASE WHEN id = (SELECT max(id) FROM alert) THEN 1 ELSE -1 END""")
    )
    lived.session.commit()
    many = lived.rows("SELECT count(*) FROM alert WHERE resolved_at IS NULL")[0][0]
    assert many > 1
    assert values(scraped(own_url), "uptake_alerts") == {
        ("tenant_lagging", "info", "firing"): many - 1,
        ("tenant_lagging", "info", "snoozed"): 1,
    }


def test_a_circuit_that_is_open(lived: World, own_url: str) -> None:
    """A source that is left alone says so, and what waits for it is not due."""
    assert values(scraped(own_url), "uptake_source_circuit_open") == {("acme",): 0}
    lived.session.execute(text("UPDATE source SET circuit_open_until = now() + interval '1 minute'"))
    lived.session.commit()
    found = scraped(own_url)
    assert values(found, "uptake_source_circuit_open") == {("acme",): 1}
    assert values(found, "uptake_work_due")["polls",] == 0


def test_apps_by_name_only_for_who_may_see_all(lived: World, own_url: str) -> None:
    """Strangers, and who is limited to some sources, get the sum of all apps; who sees all gets each by name."""
    app = application(own_url)
    everything = [bearer(lived.session), cookie(lived.session)]
    sums = [{}, bearer(lived.session, name="limited", sources=["acme"]), {"Cookie": "uptake=nothing"}]
    for headers, named in [(one, {"acme:4711"}) for one in everything] + [(one, {"others"}) for one in sums]:
        found = scraped(app, headers)
        assert {key[0] for key in values(found, "uptake_app_connections")} == named
        assert sum(values(found, "uptake_app_connections").values()) == 5
        told = asked(app, "GET", "/metrics", headers=headers).text
        assert ("4711" in told) == (named == {"acme:4711"})
        assert "Tenant" not in told
    assert asked(app, "GET", "/metrics", headers={"Authorization": "Bearer upt_0"}).status_code == 401


def test_with_a_token_only(lived: World, own_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a setting says so, nobody else gets anything, nor who is limited to some sources."""
    monkeypatch.setenv("UPTAKE_METRICS_NEED_TOKEN", "true")
    settings.cache_clear()
    app, limited = application(own_url), bearer(lived.session, name="limited", sources=["acme"])
    statuses = [asked(app, "GET", "/metrics", headers=one).status_code for one in ({}, limited, bearer(lived.session))]
    assert statuses == [401, 403, 200]


@pytest.mark.parametrize(
    ("most", "named"), [(0, {"others"}), (1, {"acme:4711", "others"}), (2, {"acme:4711", "acme:1"})]
)
def test_only_so_many_apps(
    lived: World, own_url: str, monkeypatch: pytest.MonkeyPatch, most: int, named: set[str]
) -> None:
    """The apps with the most connections have figures of their own; the others are counted together, none is lost."""
    lived.session.execute(
        text("""WITH another AS (
                INSERT INTO app (source_id, external_id, name, first_seen_at, next_poll_at, latest_version, walked_at)
                VALUES (:source, '1', 'Small', now(), now(), 7, '2020-01-01Z') RETURNING id
            ), judged AS (
                INSERT INTO verdict (app_id, version, scope_set_id, latest, lag, missing, superfluous, versions_behind,
                    since, mismatch)
                SELECT a.id, 7, min(s.id), 7, 'trimming', '{}', '{}', 0, '2020-01-01Z', false
                FROM another a, scope_set s GROUP BY a.id RETURNING app_id, scope_set_id
            ) INSERT INTO tally SELECT app_id, 'production', 'connected', 7, scope_set_id, 3 FROM judged"""),
        {"source": lived.source_id},
    )
    monkeypatch.setenv("UPTAKE_METRICS_APPS", str(most))
    settings.cache_clear()
    found = scraped(own_url, bearer(lived.session))
    connections = values(found, "uptake_app_connections")
    assert {key[0] for key in connections} == named
    assert sum(connections.values()) == 8
    # Whoever grants too much is not blocked.
    assert sum(values(found, "uptake_app_blocked_connections").values()) == 2
    polled = values(found, "uptake_app_last_complete_poll_timestamp_seconds")
    assert min(polled.values()) == 1577836800
    assert {key[0] for key in values(found, "uptake_app_latest_version")} == named - {"others"}


def test_asked_once_in_a_while(lived: World, own_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is scraped, the database is asked every few seconds; then it is asked again."""
    app = application(own_url)
    before = scraped(app)
    lived.session.execute(text("UPDATE app SET evaluations_broken = 0"))
    lived.session.commit()
    broken = "uptake_evaluations_broken"
    assert values(scraped(app), broken) == values(before, broken) == {(): 1}
    monkeypatch.setattr(answering, "FRESH_SECONDS", 0)
    assert values(scraped(app), broken) == {(): 0}


def test_without_a_database(own_url: str) -> None:
    """Prometheus is told that the database is gone, rather than nothing; later scrapes find it again."""
    app = application(own_url)
    bind = Session.kw["bind"]
    Session.configure(bind=bind.execution_options(), expire_on_commit=False)
    with Session.begin() as session:
        session.execute(text("ALTER TABLE heartbeat RENAME TO elsewhere"))
    found = scraped(app)
    assert values(found, "uptake_database_up") == {(): 0}
    assert {name for name in found if not name.startswith("process_")} == {"uptake_database_up", "uptake_build_info"}
    with Session.begin() as session:
        session.execute(text("ALTER TABLE elsewhere RENAME TO heartbeat"))
    app.state.figures._kept.clear()
    assert values(scraped(app), "uptake_database_up") == {(): 1}


def test_nobody_waits_long(own_url: str) -> None:
    """A database that is busy otherwise ends the scrape, and not the other way round."""
    with Session() as session:
        be_brief(session)
        assert session.scalar(text("SHOW statement_timeout")) == "5s"
        assert session.scalar(text("SHOW max_parallel_workers_per_gather")) == "0"


def test_empty(own_url: str) -> None:
    """Before anything is there, everything is 0 or absent, and nothing breaks."""
    found = scraped(own_url)
    assert values(found, "uptake_database_up") == {(): 1}
    assert "uptake_last_tick_timestamp_seconds" not in found
    assert values(found, "uptake_work_due")["polls",] == 0
    assert timedelta(seconds=values(found, "uptake_figures_duration_seconds")[()]) < timedelta(seconds=5)
