"""The pages of alerts and silences: what is told, and what operators do there."""

import re
import sys
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from dashboard.app import application
from models import Role
from models.listing import sync_sources
from tests.integration.access.callers import SAME_SITE, asked, cookie
from tests.integration.models.world import A, B, World

GROUP = "acme:4711/tenant_lagging"
LATER = "2999-01-01T09:00"


@pytest.fixture
def app(world: World, database_url: str) -> FastAPI:
    """It fires about three tenants, and a source; one is in its grace, and one has upgraded."""
    for tenant in "1234":
        world.put(tenant, 1, tenant_name=f"<i>Tenant {tenant}</i>")
    world.poll()
    world.release(A, B)
    world.poll()
    world.evaluate(after=timedelta(days=20))
    world.put("4", 2, tenant_name="Four")
    world.put("5", 1, tenant_name="Five")
    world.poll()
    world.evaluate()
    world.session.execute(
        text("UPDATE alert SET severity = 'critical' WHERE id = (SELECT max(id) FROM alert WHERE state = 'firing')")
    )
    sync_sources(world.session, [("acme", "portal"), ("other", "portal")], now=world.now)
    world.session.execute(
        text("""INSERT INTO alert (source_id, kind, state, severity, since, opened_at, fired_at, reason)
                SELECT id, 'poll_failing', 'firing', 'warning', now(), now(), now(), 'poll_failed' FROM source
                WHERE name = 'other'""")
    )
    world.session.commit()
    return application(database_url)


@pytest.fixture
def viewer(world: World) -> dict[str, str]:
    """Somebody who only looks."""
    return cookie(world.session)


@pytest.fixture
def operator(world: World) -> dict[str, str]:
    """Somebody who does something about it."""
    return cookie(world.session, Role.OPERATOR, name="olga")


def page(app: FastAPI, headers: dict[str, str], path: str, status: int = 200) -> str:
    """What a browser gets."""
    answer = asked(app, "GET", path, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.text


def post(served: FastAPI, headers: dict[str, str], path: str, **fields: Any) -> httpx.Response:
    """A form that is sent by a page of ours."""
    sent = {"Content-Type": "application/x-www-form-urlencoded"}
    return asked(served, "POST", path, headers=headers | SAME_SITE | sent, content=urlencode(fields, doseq=True))


def rows(told: str) -> list[int]:
    """The alerts on a page, by id."""
    return [int(one) for one in re.findall(r'<tr id="alert-(\d+)">', told)]


def firing(world: World, where: str = "true") -> list[int]:
    """What fires about the app, by id."""
    query = f"SELECT id FROM alert WHERE state = 'firing' AND app_id IS NOT NULL AND {where} ORDER BY id"  # noqa: S608
    return [one for (one,) in world.rows(query)]


def audited(world: World) -> list[tuple[Any, ...]]:
    """What was written down, but for the making of accounts."""
    return world.rows("SELECT who, by_way_of, what, about FROM audit WHERE what !~ '^(token|account)' ORDER BY id")


def test_groups(app: FastAPI, viewer: dict[str, str], world: World) -> None:
    """By app and kind with counts; the alerts of the one that is open, the most severe first, and markup is text."""
    told = page(app, viewer, "/alerts")
    assert "Dispatch Helper: tenants have not accepted" in told
    assert "<strong>3</strong> firing" in told
    assert "1 critical" in told
    assert "Source other: the app cannot be polled" in told
    assert rows(told) == []
    opened = page(app, viewer, f"/alerts?open={GROUP}")
    assert sorted(rows(opened)) == firing(world)
    assert rows(opened)[0] == firing(world, "severity = 'critical'")[0]
    assert f"lacks {B}" in opened
    assert "&lt;i&gt;Tenant 1&lt;/i&gt;" in opened
    assert "<i>" not in opened
    ((of_source,),) = world.rows("SELECT id FROM alert WHERE app_id IS NULL")
    assert rows(page(app, viewer, "/alerts?open=other/poll_failing")) == [of_source]
    assert rows(page(app, viewer, "/alerts?open=acme/poll_failing")) == []


def test_of_a_source_and_of_its_app(app: FastAPI, viewer: dict[str, str], world: World) -> None:
    """What is about a source is one group, what is of the same kind about its app or another source others."""
    for about in ("NULL", "app.id"):
        world.session.execute(
            text(f"""INSERT INTO alert (source_id, app_id, kind, state, severity, since, opened_at, fired_at, reason)
                SELECT source_id, {about}, 'poll_failing', 'firing', 'info', now(), now(), now(), 'failed' FROM app""")  # noqa: S608
        )
    world.session.commit()
    query = "SELECT id FROM alert WHERE kind = 'poll_failing' ORDER BY id"
    groups = ("other/poll_failing", "acme/poll_failing", "acme:4711/poll_failing")
    assert [(one,) for key in groups for one in rows(page(app, viewer, f"/alerts?open={key}"))] == world.rows(query)


def test_filters(app: FastAPI, viewer: dict[str, str], world: World) -> None:
    """By state, severity, kind, app, letters of the tenant; what is alone is open, and unknown words filter nothing."""
    assert len(rows(page(app, viewer, "/alerts?kind=tenant_lagging"))) == 3
    assert len(rows(page(app, viewer, "/alerts?severity=critical&kind=&app=&q=&quiet="))) == 1
    assert len(rows(page(app, viewer, "/alerts?app=acme:4711"))) == 3
    (found,) = rows(page(app, viewer, "/alerts?q=nant+2"))
    assert world.rows(
        "SELECT t.external_id FROM alert a JOIN tenant t ON t.id = a.tenant_id WHERE a.id = :a", a=found
    ) == [("2",)]
    assert "Five" in page(app, viewer, "/alerts?state=pending")
    over = page(app, viewer, "/alerts?state=resolved")
    assert len(rows(over)) == 1
    assert "upgraded" in over
    assert "Source other" in page(app, viewer, "/alerts?state=nonsense&severity=x&kind=y&quiet=z")
    assert "Nothing like that fires" in page(app, viewer, "/alerts?kind=data_stale")
    assert "no such app" in page(app, viewer, "/alerts?app=acme:1")
    told = page(app, viewer, "/alerts?severity=critical&open=x")
    assert 'href="/api/v1/alerts.csv?severity=critical"' in told
    lines = page(app, viewer, "/api/v1/alerts.csv?q=nant+2&quiet=false").splitlines()
    assert len(lines) == 2


def test_too_many_letters(app: FastAPI, viewer: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever means too many tenants is asked for more letters, rather than shown some."""
    monkeypatch.setattr(sys.modules["dashboard.api.alerts"], "MOST_LIKE", 2)
    told = page(app, viewer, "/alerts?q=tenant")
    assert "More than 2 tenants" in told
    assert "Nothing like that" not in told


def test_pages(app: FastAPI, viewer: dict[str, str], world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large group is shown page by page, and stays open."""
    monkeypatch.setattr("dashboard.pages.alerts.SHOWN", 2)
    first = page(app, viewer, f"/alerts?open={GROUP}")
    following = first.partition('class="pager"><a href="')[2].partition("#")[0].replace("&amp;", "&")
    second = page(app, viewer, following)
    assert sorted(rows(first) + rows(second)) == firing(world)


def test_sources(app: FastAPI, world: World) -> None:
    """Who sees some sources sees alerts on these alone, and does nothing to others."""
    limited = cookie(world.session, Role.OPERATOR, name="lim", sources=["other"])
    told = page(app, limited, "/alerts")
    assert "Source other" in told
    assert "Dispatch" not in told
    (alert, *_) = firing(world)
    assert "Nothing is known" in page(app, limited, f"/alerts/{alert}", 404)
    assert "no such app" in page(app, limited, "/alerts?app=acme:4711")
    assert post(app, limited, "/alerts/hold", what="acknowledge", alert=alert).status_code == 409
    everything = post(app, limited, "/alerts/hold", what="acknowledge", whom="all", group=GROUP)
    assert "nothing_ticked" in everything.headers["location"]
    own = post(app, limited, "/alerts/hold", what="acknowledge", whom="all", group="other/poll_failing")
    assert "acknowledged" in own.headers["location"]
    assert firing(world, "acknowledged_at IS NOT NULL") == []
    assert [what for _, _, what, _ in audited(world)] == ["alert.acknowledged"]


def test_acknowledge_ticked(app: FastAPI, operator: dict[str, str], world: World) -> None:
    """The ticked ones and no others; it is said who and why, written down, and taken back."""
    one, two, three = firing(world)
    back = f"/alerts?open={GROUP}"
    done = post(app, operator, "/alerts/hold", what="acknowledge", alert=[one, two], comment="mine", back=back)
    assert done.status_code == 303
    assert done.headers["location"] == f"{back}&said=acknowledged"
    assert firing(world, "acknowledged_by = 'olga'") == [one, two]
    assert "Acknowledged: it is told of again" in page(app, operator, done.headers["location"])
    assert sorted(rows(page(app, operator, "/alerts?quiet=true"))) == [one, two]
    assert rows(page(app, operator, "/alerts?quiet=false&app=acme:4711")) == [three]
    whole = page(app, operator, f"/alerts/{one}")
    assert "<bdi>mine</bdi>" in whole
    assert "<bdi>olga</bdi>" in whole
    assert post(app, operator, "/alerts/hold", what="take_back", alert=one).status_code == 303
    assert firing(world, "acknowledged_by = 'olga'") == [two]
    assert audited(world) == [
        ("olga", "page", "alert.acknowledged", f"alerts {one}, {two}"),
        ("olga", "page", "alert.taken_back", f"alert {one}"),
    ]
    ((trail,),) = world.rows("SELECT data FROM audit WHERE what = 'alert.acknowledged'")
    assert trail == {"alerts": [one, two], "until": None, "comment": "mine"}


def test_all_of_a_group(app: FastAPI, operator: dict[str, str], world: World) -> None:
    """A whole group at once, or what the filters leave of it, however many pages that is."""
    (critical,) = firing(world, "severity = 'critical'")
    post(app, operator, "/alerts/hold", what="snooze_hour", whom="all", group=GROUP, severity="critical")
    assert firing(world, "snoozed_by = 'olga'") == [critical]
    done = post(app, operator, "/alerts/hold", what="acknowledge", whom="all", group=GROUP, alert=critical)
    assert done.headers["location"] == "/alerts?said=acknowledged"
    assert firing(world, "acknowledged_by = 'olga'") == firing(world)
    assert world.rows("SELECT count(*) FROM alert WHERE acknowledged_by IS NOT NULL") == [(3,)]
    first, second = [data for (data,) in world.rows("SELECT data FROM audit WHERE what LIKE 'alert.%' ORDER BY id")]
    assert (first["meant_by"], first["count"]) == ({"group": GROUP, "severity": "critical"}, 1)
    assert (second["meant_by"], second["count"], "alerts" in second) == ({"group": GROUP}, 3, False)


def test_too_many_at_once(
    app: FastAPI, operator: dict[str, str], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than can be held in one transaction are refused whole, in words that lead to a silence; as many are held."""
    monkeypatch.setattr("dashboard.holding.AT_ONCE", 2)
    answer = post(app, operator, "/alerts/hold", what="acknowledge", whom="all", group=GROUP)
    assert (answer.status_code, "silence the app" in answer.text) == (422, True)
    assert firing(world, "acknowledged_by IS NOT NULL") == []
    assert audited(world) == []
    monkeypatch.setattr("dashboard.holding.AT_ONCE", len(firing(world)))
    assert post(app, operator, "/alerts/hold", what="acknowledge", whom="all", group=GROUP).status_code == 303
    assert firing(world, "acknowledged_by IS NOT NULL") == firing(world)


@pytest.mark.parametrize(
    ("what", "span"), [("snooze_hour", "1 hour"), ("snooze_day", "1 day"), ("snooze_week", "7 days")]
)
def test_snooze(app: FastAPI, operator: dict[str, str], world: World, what: str, span: str) -> None:
    """For a while, as the button says."""
    (alert, *_) = firing(world)
    post(app, operator, "/alerts/hold", what=what, alert=alert)
    query = f"SELECT abs(extract(epoch FROM snoozed_until - now() - interval '{span}')) < 60 FROM alert WHERE id = :a"  # noqa: S608
    assert world.rows(query, a=alert) == [(True,)]


def test_snooze_until(app: FastAPI, operator: dict[str, str], world: World) -> None:
    """Until a time in UTC; without one, in the past or written otherwise it is refused in words."""
    (alert, *_) = firing(world)
    post(app, operator, "/alerts/hold", what="snooze_until", alert=alert, until=LATER)
    assert world.rows("SELECT cast(snoozed_until AS text) FROM alert WHERE id = :a", a=alert) == [
        ("2999-01-01 09:00:00+00",)
    ]
    for until, said in (
        ("2000-01-01T00:00", "over already"),
        ("soon", "no date"),
        ("9999-01-01", "no date"),
    ):
        answer = post(app, operator, "/alerts/hold", what="snooze_until", alert=alert, until=until)
        assert answer.status_code == 422
        assert said in answer.text
    for until in ("", " "):
        back = post(app, operator, "/alerts/hold", what="snooze_until", alert=alert, until=until)
        assert back.headers["location"] == "/alerts?said=no_end"
    assert "say until when" in page(app, operator, "/alerts?said=no_end")
    assert post(app, operator, "/alerts/hold", what="delete", alert=alert).status_code == 422


def test_nothing_to_do(app: FastAPI, operator: dict[str, str], world: World) -> None:
    """Without a tick nothing is done, and said so; what is over is refused; one goes back to no other page."""
    empty = post(app, operator, "/alerts/hold", what="acknowledge", back="//evil.example/alerts")
    assert empty.headers["location"] == "/alerts?said=nothing_ticked"
    assert "Nothing was done" in page(app, operator, empty.headers["location"])
    ((over,),) = world.rows("SELECT id FROM alert WHERE state = 'resolved'")
    assert post(app, operator, "/alerts/hold", what="acknowledge", alert=over).status_code == 409
    assert audited(world) == []


def test_viewers_only_look(app: FastAPI, viewer: dict[str, str], world: World) -> None:
    """They see no button, and what they send all the same is refused."""
    (alert, *_) = firing(world)
    for path in (f"/alerts?open={GROUP}", f"/alerts/{alert}", "/alerts/silences"):
        assert "<form" not in page(app, viewer, path).partition("<main")[2].replace(
            '<form class="filters" method="get"', ""
        )
    for path in ("/alerts/hold", "/alerts/silences", "/alerts/silences/1"):
        assert post(app, viewer, path, what="acknowledge", alert=alert).status_code == 403
    assert audited(world) == []


def test_one_alert(app: FastAPI, viewer: dict[str, str], world: World) -> None:
    """Why it is, by which rule, every step, and a page for what is over or about a source, too."""
    (alert, *_) = firing(world, "severity = 'info'")
    told = page(app, viewer, f"/alerts/{alert}")
    for said in (
        f"Lacks {B}.",
        "It fires because: grace over.",
        "The rule: [policy] grace.blocking = 14 days",
        f'<code class="add">{B}</code>',
        "Fires</td>",
        "Nobody yet.",
    ):
        assert said in told
    ((pending,),) = world.rows("SELECT id FROM alert WHERE state = 'pending'")
    assert "Noticed; the grace period runs" in page(app, viewer, f"/alerts/{pending}")
    ((over,),) = world.rows("SELECT id FROM alert WHERE state = 'resolved'")
    assert "It ended because: upgraded." in page(app, viewer, f"/alerts/{over}")
    ((of_source,),) = world.rows("SELECT id FROM alert WHERE app_id IS NULL")
    assert "it is about the source other" in page(app, viewer, f"/alerts/{of_source}")
    assert "Nothing is known" in page(app, viewer, "/alerts/999999", 404)


def test_silences(app: FastAPI, operator: dict[str, str], world: World) -> None:
    """Made from an alert's own words, lengthened and ended; each is written down, and what it keeps quiet is marked."""
    # Nothing else is a reason to be quiet.
    world.session.execute(text("UPDATE alert SET state = 'resolved', resolved_at = now() WHERE app_id IS NULL"))
    world.session.commit()
    (alert, *_) = firing(world)
    link = page(app, operator, f"/alerts/{alert}").partition('href="/alerts/silences?')[2].partition("#")[0]
    form = page(app, operator, f"/alerts/silences?{link.replace('&amp;', '&')}")
    assert 'name="app" value="acme:4711"' in form
    assert '<option value="tenant_lagging" selected>' in form
    made = post(app, operator, "/alerts/silences", app="acme:4711", kind="tenant_lagging", until=LATER, comment="<i>")
    assert made.headers["location"] == "/alerts/silences?said=silenced"
    told = page(app, operator, "/alerts/silences")
    assert "<strong><bdi>acme:4711</bdi></strong>" in told
    assert "<bdi>&lt;i&gt;</bdi>" in told
    assert len(rows(page(app, operator, "/alerts?quiet=true"))) == 3
    assert "Silences: 1 holds now" in page(app, operator, "/alerts")
    ((silence,),) = world.rows("SELECT id FROM silence")
    post(app, operator, f"/alerts/silences/{silence}", what="change", until="2999-02-01T00:00")
    assert "2999-02-01 00:00" in page(app, operator, "/alerts/silences")
    post(app, operator, f"/alerts/silences/{silence}", what="end")
    assert "Nothing is silenced now" in page(app, operator, "/alerts/silences")
    assert "2999" not in page(app, operator, "/alerts/silences?state=expired").partition("</table>")[0]
    assert [what for _, _, what, _ in audited(world)] == ["silence.added", "silence.changed", "silence.ended"]


def test_what_rests_on_a_dead_source(app: FastAPI, viewer: dict[str, str], world: World) -> None:
    """It is quiet while its source does not answer, and only that is told of."""
    assert rows(page(app, viewer, "/alerts?quiet=true")) == []
    world.session.execute(text("UPDATE alert SET source_id = :acme WHERE app_id IS NULL"), {"acme": world.source_id})
    world.session.commit()
    told = page(app, viewer, "/alerts?quiet=true")
    assert sorted(rows(told)) == firing(world)
    assert "as its source does not answer" in told
    assert "3 quiet" in page(app, viewer, "/alerts")


def test_silences_are_whole(app: FastAPI, operator: dict[str, str], world: World) -> None:
    """Without a reason, an end or with a label that is none it is refused; labels and a later start are kept."""
    for fields in ({"comment": " ", "until": LATER}, {"comment": "why", "until": ""}):
        assert post(app, operator, "/alerts/silences", **fields).status_code == 422
    wrong = post(app, operator, "/alerts/silences", comment="why", until=LATER, labels="gold")
    assert "gold is no label" in wrong.text
    post(
        app,
        operator,
        "/alerts/silences",
        comment="why",
        until=LATER,
        starts="2998-01-01T00:00",
        labels="tier=gold, a=b",
    )
    assert "Nothing is silenced now" in page(app, operator, "/alerts/silences")
    assert "tier=gold" in page(app, operator, "/alerts/silences?state=pending")
    assert world.rows("SELECT labels, kind FROM silence") == [({"tier": "gold", "a": "b"}, "*")]
    assert post(app, operator, "/alerts/silences/1", what="change", until="").status_code == 422
    assert post(app, operator, "/alerts/silences/999", what="end").status_code == 404
    other = cookie(world.session, Role.OPERATOR, name="lim", sources=["other"])
    assert post(app, other, "/alerts/silences", comment="why", until=LATER).status_code == 403
