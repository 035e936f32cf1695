"""`python -m worker.demo`: the demo's life from now on; `history DIRECTORY TENANTS` makes its past."""

import json
import sys
from pathlib import Path
from random import Random

from config.logs import configure_logging
from config.settings import settings
from models import Session
from models.queries.apps import laggards
from worker.demo.hands import Hands, RefusedError
from worker.demo.history import live_through, reachable
from worker.demo.live import Life
from worker.demo.people import People, keep
from worker.demo.story import story
from worker.obstacles import obstacle, refuse


def main(arguments: list[str]) -> None:
    """Make the past, or go on until ended; an obstacle is one sentence and exit code 2."""
    chosen = settings()
    configure_logging(chosen.log_level, chosen.log_format)
    try:
        if arguments[:1] == ["history"]:
            _history(Path(arguments[1]), int(arguments[2]))
        else:
            hands = Hands(reachable(chosen.portal_host), chosen.portal_port)
            people = People.read(chosen.config.parent / "credentials.json", hands)
            Life(people, Random()).go_on()  # noqa: S311 - a story, not a secret
    except KeyboardInterrupt:
        # Whoever pressed it sees what the supervisor says.
        sys.exit(130)
    except RefusedError as error:
        refuse(f"The demo stops, for {error}")
    except Exception as error:
        if (sentence := obstacle(error)) is None:
            raise
        refuse(sentence)


def _history(directory: Path, tenants: int) -> None:
    live_through(directory, story(tenants=tenants))
    with Session() as session:
        lagging = laggards(session)
    # Somebody who has been told and has done nothing: most is to be seen there.
    shown = max(lagging, key=lambda lag: (lag.lag == "blocking", lag.reminders_sent, lag.tenant))
    # Written last: without it the past is begun again.
    keep(directory / "demo.json", json.dumps({"app": shown.app, "tenant": shown.tenant}))


main(sys.argv[1:])
