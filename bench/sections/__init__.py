"""What `python -m bench` can measure: one module per section, in the order in which they run."""

from collections.abc import Callable

from bench.report import Section
from bench.scale import Scale
from bench.sections import (
    bloat,
    churn,
    claim,
    cron,
    dlt,
    evaluation,
    large,
    load,
    questions,
    reading,
    scaling,
    small,
    telling,
    workers,
)

SECTIONS: dict[str, Callable[[Scale], Section]] = {
    "reading": reading.run,
    "churn": churn.run,
    "load": load.run,
    "cron": cron.run,
    "dlt": dlt.run,
    "workers": workers.run,
    "small": small.run,
    "scaling": scaling.run,
    "bloat": bloat.run,
    "large": large.run,
    "claim": claim.run,
    "evaluation": evaluation.run,
    "telling": telling.run,
    "questions": questions.run,
}
