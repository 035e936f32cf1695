"""Who and what the demo is about: made-up trade businesses, their people, and the apps that they run."""

from random import Random
from typing import NamedTuple

# Where they work: name of the zone, and how many of a hundred are there.
ZONES = {
    "America/New_York": 26,
    "America/Chicago": 22,
    "America/Denver": 10,
    "America/Phoenix": 6,
    "America/Los_Angeles": 18,
    "America/Toronto": 6,
    "America/Vancouver": 3,
    "Europe/London": 4,
    "Australia/Sydney": 3,
    "Pacific/Auckland": 2,
}
FIRST = (
    "Bluebird", "Copper Creek", "North Star", "Lakeside", "Summit", "Ironwood", "Redwood", "Prairie", "Harbor",
    "Silver Oak", "Granite", "Evergreen", "Sunrise", "Cedar Hill", "Riverbend", "Maple", "Falcon", "Old Mill",
    "Beacon", "Willow", "Highland", "Canyon", "Stonebridge", "Golden Valley", "Pinecrest", "Juniper", "Westfield",
    "Foxglove", "Kingfisher", "Larkspur",
)  # fmt: skip
TRADE = (
    "Plumbing", "Heating & Air", "Electric", "Roofing", "Garage Doors", "Pest Control", "Drains", "Pools",
    "Landscaping", "Septic",
)  # fmt: skip
PEOPLE = (
    ("Ana", "Alvarez"), ("Ben", "Okafor"), ("Chloe", "Dubois"), ("Dan", "Novak"), ("Emi", "Sato"), ("Femi", "Ade"),
    ("Grace", "Lindqvist"), ("Hugo", "Marin"), ("Ines", "Costa"), ("Jack", "Murphy"), ("Kira", "Petrova"),
    ("Luis", "Ortega"), ("Mia", "Schulz"), ("Noah", "Brown"), ("Olga", "Wójcik"), ("Priya", "Nair"),
    ("Quinn", "Taylor"), ("Rosa", "Bianchi"), ("Sam", "Nguyen"), ("Tove", "Hansen"),
)  # fmt: skip


class Person(NamedTuple):
    """Somebody who may accept a version at a tenant."""

    name: str
    email: str


class Business(NamedTuple):
    """One tenant."""

    id: str
    name: str
    zone: str
    people: tuple[Person, ...]


def businesses(count: int, random: Random) -> tuple[Business, ...]:
    """So many tenants, no two with the same name; at most 300."""
    names = [f"{first} {trade}" for trade in TRADE for first in FIRST]
    random.shuffle(names)
    zones = random.choices(tuple(ZONES), weights=tuple(ZONES.values()), k=count)
    return tuple(
        Business(str(1_000_210_000 + 37 * number), name, zone, _people(name, random))
        for number, (name, zone) in enumerate(zip(names[:count], zones, strict=True))
    )


def _people(business: str, random: Random) -> tuple[Person, ...]:
    # A domain that can never be registered: nothing sent to it by mistake arrives anywhere.
    domain = "".join(c for c in business.lower() if c.isalnum()) + ".example"
    found = random.sample(PEOPLE, k=random.choice((1, 1, 2)))
    return tuple(Person(f"{first} {last}", f"{first.lower()}@{domain}") for first, last in found)
