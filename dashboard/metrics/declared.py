"""Every metric by name, kind and labels; docs/metrics.md repeats this list, and a test compares them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
_KINDS: dict[str, type[Family]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}


@dataclass(frozen=True, slots=True)
class Declared:
    """One metric as others see it."""

    name: str
    kind: str  # counter | gauge | histogram
    help: str
    labels: tuple[str, ...] = ()


DECLARED = (
    Declared(
        "uptake_app_connections",
        "gauge",
        "Connections of an app, by how they stand against its latest version.",
        ("app", "environment", "class"),
    ),
    Declared(
        "uptake_app_adoption_ratio",
        "gauge",
        "Share of an app's connected tenants that run its latest version.",
        ("app", "environment"),
    ),
    Declared(
        "uptake_app_blocked_connections",
        "gauge",
        "Blocked connections, by how many days ago the oldest version was released that they lack.",
        ("app", "environment", "days"),
    ),
    Declared("uptake_app_latest_version", "gauge", "The number of an app's latest version.", ("app",)),
    Declared(
        "uptake_app_last_complete_poll_timestamp_seconds",
        "gauge",
        "Until when what is known of an app is complete.",
        ("app",),
    ),
    Declared("uptake_source_apps", "gauge", "Apps of a source.", ("source",)),
    Declared("uptake_source_failing_apps", "gauge", "Apps of a source whose last poll failed.", ("source",)),
    Declared("uptake_source_circuit_open", "gauge", "1 while a source is left alone, being down or shut.", ("source",)),
    Declared(
        "uptake_source_last_listed_timestamp_seconds",
        "gauge",
        "When a source's list of apps was last read.",
        ("source",),
    ),
    Declared("uptake_polls_total", "counter", "Polls that ended, by what came of them.", ("source", "outcome")),
    Declared("uptake_poll_faults_total", "counter", "Polls that failed, by what was wrong.", ("source", "fault")),
    Declared("uptake_poll_duration_seconds", "histogram", "How long polls took.", ("source",)),
    Declared("uptake_events_total", "counter", "What happened, by type, such as tenant.upgraded.", ("type",)),
    Declared("uptake_work_due", "gauge", "Work that is due and in nobody's hands.", ("work",)),
    Declared(
        "uptake_work_oldest_due_timestamp_seconds",
        "gauge",
        "Since when the oldest of that work is due; absent while none is.",
        ("work",),
    ),
    Declared("uptake_evaluations_broken", "gauge", "Apps whose last evaluation broke."),
    Declared("uptake_last_tick_timestamp_seconds", "gauge", "When a worker last looked for due work."),
    Declared("uptake_alerts", "gauge", "Open alerts.", ("kind", "severity", "state")),
    Declared("uptake_reminders", "gauge", "Open threads of reminders, one for each blocked connection.", ("state",)),
    Declared("uptake_notices", "gauge", "Messages that wait for a receiver, due now or later.", ("receiver", "when")),
    Declared(
        "uptake_notices_oldest_due_timestamp_seconds",
        "gauge",
        "Since when the oldest message to a receiver is due; absent while none is.",
        ("receiver",),
    ),
    Declared(
        "uptake_deliveries_total",
        "counter",
        "Tries to deliver a message, by what came of them.",
        ("receiver", "outcome"),
    ),
    Declared("uptake_receiver_stopped", "gauge", "1 while a receiver has refused us for good.", ("receiver",)),
    Declared("uptake_build_info", "gauge", "1, with the version that answers.", ("version",)),
    Declared("uptake_database_up", "gauge", "0 while the database does not answer, or its schema is not ours."),
    Declared("uptake_figures_duration_seconds", "gauge", "How long the database was asked for these figures."),
)


@dataclass
class Families(Collector):
    """The samples of one answer; nothing that is not declared gets in."""

    _families: dict[str, Family] = field(
        default_factory=lambda: {one.name: _KINDS[one.kind](one.name, one.help, labels=one.labels) for one in DECLARED}
    )

    def put(self, name: str, value: float, *labels: str) -> None:
        """One value of a gauge or a counter."""
        family = self._families[name]
        assert not isinstance(family, HistogramMetricFamily)  # noqa: S101 - as declared
        family.add_metric(labels, value)

    def put_buckets(self, name: str, buckets: list[tuple[str, float]], total: float, *labels: str) -> None:
        """One histogram: how many were not more than each bound, and what all of them come to."""
        family = self._families[name]
        assert isinstance(family, HistogramMetricFamily)  # noqa: S101 - as declared
        family.add_metric(labels, buckets, total)

    def collect(self) -> Iterator[Metric]:
        """What there are samples of."""
        return (family for family in self._families.values() if family.samples)
