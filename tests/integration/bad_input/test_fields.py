"""Bad inputs 52 to 60: a value that cannot be is never recorded, and one that is merely odd is kept as it was given."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from werkzeug import Request, Response

from models import Session
from tasks.evaluate import evaluate_now
from tasks.poll import poll
from tests.integration.bad_input.polled import LATER, NEWS, last_run, listed, polled, row_of, running
from tests.integration.portal_double import page
from tests.integration.small_portal import ROOT
from tests.integration.tasks.recorded import Ours


def changed(**values: Any) -> Any:
    """The row with these *values*."""
    return lambda row: row | values


def version(spelled: str) -> Any:
    """The row with a version spelled so in JSON."""
    return lambda row: json.dumps(row).replace('"version": 2', f'"version": {spelled}').encode()


REFUSED: list[tuple[str, Any]] = [
    *(
        (f"case_52_{name}", version(spelled))
        for name, spelled in {
            "zero": "0",
            "negative": "-1",
            "1.0": "1.0",
            "1.5": "1.5",
            "text": '"3"',
            "text_with_spaces": '" 3 "',
            "arabic_text": '"٣"',
            "text_with_underscore": '"1_0"',
            "true": "true",
            "null_without_scopes": "null",
            "2^31": str(2**31),
            "2^63": str(2**63),
            "10^400": str(10**400),
        }.items()
    ),
    ("case_56_unknown_status", changed(status="Paused2")),
    ("case_56_wrong_case", changed(status="Connected")),
    ("case_56_status_null", changed(status=None)),
    ("case_57_scopes_text", changed(scopes="tn.jpm.jobs:r")),
    ("case_57_scopes_object", changed(scopes={"tn.jpm.jobs:r": True})),
    ("case_57_scope_null", changed(scopes=["tn.jpm.jobs:r", None])),
    ("case_57_scope_number", changed(scopes=[7])),
    ("case_57_10001_scopes", changed(scopes=[f"tn.x.s{number}:r" for number in range(10_001)])),
    ("case_60_no_zone", changed(versionAcceptedOn="2026-03-03T10:00:00")),
    ("case_60_date_only", changed(versionAcceptedOn="2026-03-03")),
    ("case_60_basic_format", changed(versionAcceptedOn="20210719T203538Z")),
    ("case_60_week", changed(versionAcceptedOn="2021-W29-1")),
    ("case_60_hour_24", changed(versionAcceptedOn="2026-03-03T24:00:00Z")),
    ("case_60_second_60", changed(versionAcceptedOn="2026-03-03T10:00:60Z")),
    ("case_60_year_10000", changed(versionAcceptedOn="10000-01-01T00:00:00Z")),
    ("case_60_zone_25", changed(versionAcceptedOn="2026-03-03T10:00:00+25:00")),
    ("case_60_dotnet", changed(versionAcceptedOn="/Date(1626726938287)/")),
    ("case_60_number", changed(versionAcceptedOn=1626726938)),
]


@pytest.mark.parametrize("edit", [case[1] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_row_is_refused(ours: Ours, edit: Any) -> None:
    """The tenant stays as it was: not at the latest version, not newly behind, not missing; the others' news count."""
    ours.portal.fault = row_of(ours.portal, 5, edit)
    assert polled(ours).outcome == "complete"
    assert last_run(ours).rejected == 1
    assert running(ours) == NEWS | {"5": 1}


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (version("0"), "tenant 5: the version is out of range"),
        (version("true"), "tenant 5: Expected `int | null`, got `bool` - at `$.version`"),
        (changed(status="Pau\x1b[31msed\u202e" + "x" * 99), r"tenant 5: its status 'Pau\x1b[31msed\u202e"),
        (changed(version=9), "tenant 5: version 9 is above the latest, 3"),
        (lambda _: None, "a row of nobody: Expected `object`, got `null`"),
    ],
    ids=["case_52_why", "case_52_why_not_true", "case_56_raw_word", "case_53_flag", "case_66_why"],
)
def test_poll_says_why(ours: Ours, edit: Any, said: str) -> None:
    """Whose row was odd, and how, stands in the poll's own row, in a few visible characters."""
    ours.portal.fault = row_of(ours.portal, 5, edit)
    polled(ours)
    reason = last_run(ours).reason
    assert reason.startswith(said)
    assert len(reason) < 100
    assert reason.isprintable()


def test_poll_says_some_of_it(ours: Ours) -> None:
    """Where most rows are odd, the first five are told."""
    ours.portal.tenants = dict.fromkeys(range(1, 10), 1)
    ours.portal.fault = listed(ours.portal, lambda rows: [row | {"status": "x" * 10_000} for row in rows])
    polled(ours)
    run = last_run(ours)
    assert run.rejected == 9
    assert (run.reason.count("tenant "), run.reason.endswith("; and more")) == (5, True)
    assert len(run.reason) < 500


def test_case_56_unknown_status_is_no_end(ours: Ours) -> None:
    """However often a word comes that we do not know, nobody is disconnected by it."""
    ours.portal.fault = row_of(ours.portal, 5, changed(status="Paused2"))
    for hours in range(7, 11):
        polled(ours, after=timedelta(hours=hours))
    assert running(ours) == NEWS | {"5": 1}
    assert ours.rows("SELECT sum(rejected) FROM poll") == [(4,)]


def test_case_56_after_an_absence(ours: Ours) -> None:
    """Who was missing once, and then comes with a row that cannot be trusted, is there."""
    ours.portal.fault = listed(ours.portal, lambda rows: [row for row in rows if row["id"] != 3])
    polled(ours)
    ours.portal.fault = row_of(ours.portal, 3, changed(status="Paused2"))
    assert polled(ours, after=2 * LATER).vanished == 1  # tenant 2
    query = "SELECT t.external_id, c.status FROM connection c JOIN tenant t ON t.id = c.tenant_id WHERE c.app_id = "
    assert ("3", "connected") in ours.rows(f"{query} {ours.app}")


@pytest.mark.parametrize("spelled", ["0", "null"], ids="case_52_{}_is_nobodys_version".format)
def test_unknown_version_of_somebody_new(ours: Ours, spelled: str) -> None:
    """Somebody who is new and at no version is neither at the latest one nor behind it."""
    ours.portal.tenants = {**dict.fromkeys(range(1, 6), 2), 7: 2}
    ours.portal.fault = row_of(ours.portal, 7, version(spelled))
    polled(ours)
    evaluate_now(ours.app, now=ours.now + LATER)
    assert running(ours) == dict.fromkeys("12345", 2)
    assert ours.rows("SELECT 1 FROM alert a JOIN tenant t ON t.id = a.tenant_id WHERE t.external_id = '7'") == []


def test_case_52_null_with_scopes(ours: Ours) -> None:
    """Where the scopes in play are told, they are what counts; the version stays unknown, and is not the latest."""
    ours.portal.fault = row_of(ours.portal, 5, changed(version=None, scopes=["tn.crm.customers:r"]))
    polled(ours)
    assert running(ours)["5"] is None


def test_case_52_latest_of_somebody_never_connected(ours: Ours) -> None:
    """The real portal prints the latest version for a tenant that never connected: it is not theirs."""
    never = changed(clientId=None, enabled=False, status="notConnected", version=3, latestVersion=3, scopes=[])
    ours.portal.fault = row_of(ours.portal, 6, never)
    polled(ours)
    query = "SELECT c.status, c.version FROM connection c JOIN tenant t ON t.id = c.tenant_id WHERE t.external_id = '6'"
    assert ours.rows(query) == [("not_connected", None)]


def test_case_53_version_above_the_latest(ours: Ours) -> None:
    """The versions are read again, and if it is still above, it is kept and not judged; the latest one stays."""
    ours.portal.fault = row_of(ours.portal, 5, changed(version=9))
    assert polled(ours).outcome == "complete"
    assert len(ours.portal.times("/4711/versions?1")) == 2
    evaluate_now(ours.app, now=ours.now + LATER)
    assert running(ours)["5"] == 9
    assert ours.rows("SELECT latest_version FROM app WHERE external_id = '4711'") == [(3,)]
    of_5 = "JOIN tenant t ON t.id = x.tenant_id WHERE t.external_id = '5'"
    assert ours.rows(f"SELECT 1 FROM alert x {of_5}") == []  # noqa: S608 - ours
    assert ours.rows(f"SELECT lag FROM standing x {of_5} AND app_id = {ours.app} AND lag <> 'unknown'") == []  # noqa: S608 - ours


def test_case_54_version_going_down(ours: Ours) -> None:
    """A version that falls is recorded as what it is."""
    polled(ours)
    ours.portal.fault = row_of(ours.portal, 5, changed(version=1))
    polled(ours, after=2 * LATER)
    assert running(ours)["5"] == 1
    query = "SELECT data ->> 'from_version', data ->> 'to_version' FROM event WHERE type = 'version.regressed'"
    assert ours.rows(query) == [("2", "1")]


def test_case_54_late_run(ours: Ours) -> None:
    """What a run read that another one has overtaken is thrown away, whatever it says."""
    before = ours.contents()

    def overtaken(request: Request) -> Response | None:
        if request.path.endswith("/connections") and request.args["page"] == "1":
            with Session.begin() as session:
                session.execute(
                    text("UPDATE app SET poll_seq = poll_seq + 1, lease_token = gen_random_uuid() WHERE id = :app"),
                    {"app": ours.app},
                )
        return None

    ours.portal.fault = overtaken
    assert poll(ours.app, now=ours.now + LATER) is None
    assert ours.contents() == before
    assert ours.rows("SELECT max(seq) FROM poll WHERE app_id IS NOT NULL") == [(1,)]


def test_case_55_version_published_during_the_walk(ours: Ours) -> None:
    """A version that comes while connections are read is known at once, and nobody is alerted for it in that run."""
    at = (ours.now + LATER).isoformat()

    def publishing(request: Request) -> Response | None:
        if not request.path.endswith("/versions"):
            return None
        known = ours.portal._rows(request.path.removeprefix(ROOT))
        if len(ours.portal.times("/4711/connections?1")):
            known.append(ours.portal._version(4711, 4) | {"createdOn": at})
        return page(1, *known, totalCount=len(known))

    ours.portal.tenants = dict.fromkeys(range(1, 6), 3)
    ours.portal.fault = publishing
    assert polled(ours).released == (3, 4)
    evaluate_now(ours.app, now=ours.now + LATER)
    assert ours.rows("SELECT kind FROM alert WHERE state = 'firing'") == []
    assert ours.rows("SELECT latest_version FROM app WHERE external_id = '4711'") == [(4,)]


@pytest.mark.parametrize(
    ("scopes", "kept"),
    [
        (["no.such.scope:x", "~"], ["no.such.scope:x", "~"]),
        ([], []),
        (["b:r", "a:r", "b:r"], ["a:r", "b:r"]),
        ([f"tn.x.s{number:05}:r" for number in range(10_000)], [f"tn.x.s{number:05}:r" for number in range(10_000)]),
        (None, ["tn.crm.customers:r", "tn.jpm.jobs:r", "tn.jpm.jobs:w", "tn.x.s1:r"]),
    ],
    ids=["case_57_unknown", "case_57_empty", "case_57_twice", "case_57_10000", "case_57_null_is_not_empty"],
)
def test_scopes(ours: Ours, scopes: list[str] | None, kept: list[str]) -> None:
    """Scopes are a set of words, whatever they mean; none is not the same as not told, which means the version's."""
    ours.portal.fault = row_of(ours.portal, 5, changed(scopes=scopes))
    polled(ours)
    query = """SELECT s.grants FROM connection c JOIN tenant t ON t.id = c.tenant_id
               JOIN scope_set s ON s.id = c.scope_set_id
               WHERE t.external_id = '5' AND c.app_id = (SELECT id FROM app WHERE external_id = '4711')"""
    assert [sorted(grants) for (grants,) in ours.rows(query)] == [kept]


def owner(spelled: Any) -> Any:
    """The row with this id of its tenant."""
    return lambda row: row | {"resourceOwner": row["resourceOwner"] | {"id": spelled}}


UUID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"


@pytest.mark.parametrize(
    ("spelled", "stored"),
    [(5, "5"), (2**63, str(2**63)), (UUID.upper(), UUID), ("Ab.C-1", "Ab.C-1"), ("x" * 64, "x" * 64)],
    ids=["case_59_number", "case_59_2^63", "case_59_uuid_in_capitals", "case_59_word", "case_59_64_characters"],
)
def test_tenant_ids(ours: Ours, spelled: Any, stored: str) -> None:
    """An id is a text of one form, however it is written; so the tenant is the same next time."""
    ours.portal.fault = row_of(ours.portal, 5, owner(spelled))
    polled(ours)
    assert running(ours)[stored] == 2
    ours.portal.fault = row_of(ours.portal, 5, owner(stored))
    recorded = polled(ours, after=2 * LATER)
    assert recorded.changed == recorded.vanished
    assert ours.rows(f"SELECT count(*) FROM tenant WHERE lower(external_id) = lower('{stored}')") == [(1,)]  # noqa: S608 - ours
    assert running(ours)[stored] == 2


@pytest.mark.parametrize(
    "spelled",
    ["", " 7", "7 ", -7, "-7", 0, None, 7.5, True, 2**64, "x" * 10_000, "7\n", "7\0"],
    ids=lambda spelled: f"case_59_{str(spelled)[:5]!r}",
)
def test_no_tenant_id(ours: Ours, spelled: Any) -> None:
    """What cannot be an id may hide anybody: the run is partial, and nobody is gone by it."""
    ours.portal.fault = row_of(ours.portal, 5, owner(spelled))
    for passed in (LATER, 2 * LATER):
        recorded = polled(ours, after=passed)
        assert (recorded.outcome, recorded.vanished, last_run(ours).rejected) == ("partial", 0, 1)
    assert ours.rows("SELECT external_id FROM tenant ORDER BY 1") == [(number,) for number in "123456"]
