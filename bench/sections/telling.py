"""Everybody begins to lag at once: what it takes to say so, and how fast 100,000 messages go out."""

from contextlib import ExitStack
from functools import partial

from bench.measure import Measured, child, in_turns, measure, median, ratio
from bench.report import Section, Target, usage_table
from bench.scale import Scale
from bench.shape import Shape
from bench.world import LOADED, World, world

QUEUED = "judged, operators told, admins reminded"
SENT, TWO, FLOOR = "sent by one worker", "sent by two workers", "floor: the same posts, nothing remembered"
_TENANTS, _MESSAGES = 10_000, 100_000
_LAGS, _OUTBOX = "lags", "outbox"
_RECEIVERS = ("hook", "second")
_RULES = """
[policy]
settle = "0s"
grace = {{ blocking = "0d" }}
targets = []
stalled_after = "0d"
receivers = ["hook", "second"]
reminders = "hook"
remind_fresh = "60d"
remind_pace = 0
{receivers}
"""
_RECEIVER = """
[[receiver]]
name = "{name}"
kind = "webhook"
url = "{url}/hook"
secret = "file:hook_secret"
"""
_CONTACTS = "INSERT INTO contact (tenant_id, email) SELECT id, 'admin@t' || id || '.example' FROM tenant"
_NOTICES = """
INSERT INTO notice (key, receiver, "to", reason, subject, body, payload, state, created_at, due_at)
SELECT 'k' || n, 'hook', '', 'first', 'A subject', repeat('A text ', 40), '{"n": 1}', 'due', now(), now()
FROM generate_series(1, %s) n
"""


def run(scale: Scale) -> Section:
    """Queue for one app whose tenants all lag, and drain an outbox."""
    tenants, messages = (500, 1_000) if scale.quick else (_TENANTS, _MESSAGES)
    with world(Shape(1, tenants, scale.page, latest=3, starts=(1,))) as place:
        _rules(place)
        place.list_apps()
        place.load()
        with place.cluster.session(LOADED) as session:
            session.execute(_CONTACTS)
        queued = [_queued(place, tenants) for _ in range(scale.rounds)]
        found = in_turns(
            scale.rounds,
            {
                FLOOR: partial(_posted, place, messages),
                SENT: partial(_sent, place, messages, workers=1),
                TWO: partial(_sent, place, messages, workers=2),
            },
        )
    return Section(
        name="telling",
        title="Telling people",
        setting=f"1 app whose {tenants:,} tenants begin to lag at once; {messages:,} messages to nginx",
        tables=[
            usage_table([(QUEUED, queued, tenants)]),
            usage_table([(what, runs, messages) for what, runs in found.items()], floor=found[FLOOR]),
        ],
        targets=[
            Target("evaluation and queueing of all", median(queued), most=60, unit="s"),
            Target("messages to each operator", queued[0].value[1] / len(_RECEIVERS), most=1, unit=""),
            Target("sent by two workers : by one", ratio(found[SENT], found[TWO]), least=1.5),
        ],
        notes=[
            "The receiver takes whatever comes at once, so all that is measured is ours; a real one is slower.",
            "Each message is claimed under a lease, and settled durably when the receiver has it.",
        ],
    )


def _rules(place: World) -> None:
    (place.place / "hook_secret").write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    path = place.place / "plain.toml"
    receivers = "".join(_RECEIVER.format(name=name, url=place.portal.plain) for name in _RECEIVERS)
    path.write_text(path.read_text() + _RULES.format(receivers=receivers))


def _queued(place: World, tenants: int) -> Measured:
    place.cluster.create(_LAGS, template=LOADED)
    with child("bench.subjects.telling:queueing", {}, place.environment(_LAGS)) as subject:
        found = measure(place.cluster, [subject])
    if found.value != [tenants, len(_RECEIVERS), tenants]:
        raise RuntimeError(f"raised, told and reminded were {found.value}, of {tenants} tenants")
    return found


def _posted(place: World, messages: int) -> Measured:
    arguments = {"count": messages, "receiver": _RECEIVERS[0]}
    with child("bench.subjects.telling:posting", arguments, place.environment(LOADED)) as subject:
        return measure(place.cluster, [subject])


def _sent(place: World, messages: int, *, workers: int) -> Measured:
    place.cluster.create(_OUTBOX, template=LOADED)
    with place.cluster.session(_OUTBOX) as session:
        session.execute(_NOTICES, [messages])
        session.execute("ANALYZE notice")
    with ExitStack() as stack:
        subject, environment = "bench.subjects.telling:draining", place.environment(_OUTBOX)
        children = [stack.enter_context(child(subject, {}, environment)) for _ in range(workers)]
        found = measure(place.cluster, children)
    tried = sum(found.value) if isinstance(found.value, list) else found.value
    with place.cluster.session(_OUTBOX) as session:
        left = session.execute("SELECT count(*) FROM notice WHERE state <> 'sent'").fetchone()
    if tried != messages or left != (0,):
        raise RuntimeError(f"{tried} of {messages} were tried, and {left} are not sent")
    return found
