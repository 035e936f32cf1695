"""What happens before a scrape, and what a scrape says."""

from collections.abc import Mapping
from datetime import timedelta

from fastapi import FastAPI
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from tasks.evaluate import evaluate_now
from tests.integration.access.callers import asked
from tests.integration.models.world import A, B, World
from uptake.facts import Status

NOTICE = text("""
INSERT INTO notice (key, receiver, "to", reason, source_id, subject, body, state, created_at, due_at)
VALUES (:key, :receiver, 'a@b.example', 'first', :source, 's', 'b', 'due', :due_at, :due_at)
""")


def busy(world: World) -> None:
    """Of five tenants two have upgraded, two lag for 40 days, and one was never there; two messages wait."""
    for tenant in "1234":
        world.put(tenant, 1)
    world.put("5", None, status=Status.NOT_CONNECTED)
    world.poll()
    world.release(A, B)
    world.poll(after=timedelta(days=20))
    for tenant in "12":
        world.put(tenant, 2)
    world.poll(after=timedelta(days=20))
    world.session.commit()
    for _ in range(2):
        world.now += timedelta(hours=2)
        evaluate_now(world.app_id, now=world.now)
    for key, receiver, after in (("d", "ops", timedelta(days=1)), ("l", "tenants", timedelta(days=900))):
        world.session.execute(
            NOTICE,
            {"key": key, "receiver": receiver, "source": world.source_id, "due_at": world.now + after},
        )
    world.session.commit()


def scraped(app: FastAPI | str, headers: Mapping[str, str] | None = None) -> dict[str, Metric]:
    """The families of one scrape by name, as Prometheus' own reader has them."""
    answer = asked(app, "GET", "/metrics", headers=dict(headers or {}))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def values(families: Mapping[str, Metric], name: str) -> dict[tuple[str, ...], float]:
    """The samples called *name*, by the values of their labels in the order of the labels' names."""
    samples = [sample for family in families.values() for sample in family.samples if sample.name == name]
    return {tuple(value for _, value in sorted(sample.labels.items())): sample.value for sample in samples}
