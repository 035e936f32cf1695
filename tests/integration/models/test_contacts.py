"""The contact book: told again it changes nothing, opt-outs outlive it, and who is not known is said."""

from dataclasses import replace

from sqlalchemy import text

from models.contacts import Kept, Person, keep_contacts
from models.queries.tenants import story
from tests.integration.models.world import World

ADA = Person("acme", "1", "ada@bright.example", "Ada", "Owner", rank=1, time_zone="America/Chicago", locale="en-US")
BOB = Person("acme", "1", "bob@bright.example", "Bob", rank=2)


def known(world: World) -> list[tuple[str, str | None, str | None, bool, int]]:
    """Every contact."""
    query = text("SELECT email, name, role, may_accept, rank FROM contact ORDER BY email")
    return [tuple(row) for row in world.session.execute(query)]


def connected(world: World) -> None:
    """Tenants 1 and 2 run the app."""
    world.put("1", 1)
    world.put("2", 1)
    world.poll()


def written_to(world: World) -> str | None:
    """Who of tenant 1 is reminded."""
    (one,) = story(world.session, "acme:4711", "1", now=world.now)
    return one.contacts[0].email if one.contacts else None


def test_book_told_twice(world: World) -> None:
    """The second time nothing is new; a changed row is counted as such, and what is left out of it is forgotten."""
    connected(world)
    assert keep_contacts(world.session, [ADA, BOB]) == Kept(2, 2, 0, 0, [])
    assert keep_contacts(world.session, [ADA, BOB]) == Kept(2, 0, 0, 0, [])
    assert keep_contacts(world.session, [replace(ADA, role=None), BOB]) == Kept(2, 0, 1, 0, [])
    assert known(world) == [
        ("ada@bright.example", "Ada", None, True, 1),
        ("bob@bright.example", "Bob", None, True, 2),
    ]


def test_place_of_a_tenant(world: World) -> None:
    """Zone and language come from any row of the tenant, and stay when a later book does not tell them."""
    connected(world)
    keep_contacts(world.session, [BOB, ADA])
    keep_contacts(world.session, [BOB])
    rows = world.session.execute(text("SELECT time_zone, locale FROM tenant ORDER BY external_id")).all()
    assert [tuple(row) for row in rows] == [("America/Chicago", "en-US"), (None, None)]


def test_strangers(world: World) -> None:
    """Tenants that no portal has listed, and those of a source nobody knows, are told and left out."""
    connected(world)
    people = [ADA, replace(ADA, tenant="9"), replace(BOB, tenant="9"), replace(ADA, source="other")]
    assert keep_contacts(world.session, people) == Kept(1, 1, 0, 0, ["acme:9", "other:1"])


def test_whole_book(world: World) -> None:
    """Who is not in it any more is forgotten, except who has opted out; other tenants are left alone."""
    connected(world)
    cleo = Person("acme", "1", "cleo@bright.example")
    keep_contacts(world.session, [ADA, BOB, cleo, Person("acme", "2", "dan@clear.example")])
    world.session.execute(text("UPDATE contact SET opted_out_at = now() WHERE email LIKE 'bob%'"))
    assert keep_contacts(world.session, [ADA]).removed == 0
    assert keep_contacts(world.session, [ADA], is_whole=True).removed == 1
    assert [email for email, *_ in known(world)] == ["ada@bright.example", "bob@bright.example", "dan@clear.example"]


def test_who_is_written_to(world: World) -> None:
    """The first who may accept; one who may not when there is nobody else; nobody who has opted out."""
    connected(world)
    keep_contacts(world.session, [replace(ADA, may_accept=False), BOB])
    assert written_to(world) == BOB.email
    world.session.execute(text("UPDATE contact SET opted_out_at = now() WHERE email LIKE 'bob%'"))
    assert written_to(world) == ADA.email
    keep_contacts(world.session, [BOB])
    assert written_to(world) == ADA.email
