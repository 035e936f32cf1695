"""What is in the way of a start, in one sentence: for every process of ours the same words."""

import sys
from typing import NoReturn

from kombu.exceptions import OperationalError as BrokerError
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from config.settings import SettingsError
from worker.embedded import SetupError


def obstacle(error: Exception) -> str | None:
    """The sentence for an *error* that whoever runs us can mend; None for one that is ours. It holds no secret."""
    match error:
        case SettingsError() | SetupError():
            return str(error)
        case OperationalError():
            return f"The database cannot be reached: {_first_line(error)}. Is it running at DATABASE_URL?"
        case BrokerError():
            return f"The broker cannot be reached: {str(error).rstrip('.')}. Is it running at REDIS_URL?"
        case ProgrammingError() if "UndefinedTable" in type(error.orig).__name__:
            return "The database has no schema of ours yet: run `uptake migrate` first."
        case _:
            return None


def refuse(sentence: str) -> NoReturn:
    """End this process as one that is set up wrong: no second try can help."""
    sys.stderr.write(f"uptake: {sentence}\n")
    sys.exit(2)


def _first_line(error: DBAPIError) -> str:
    said = str(error.orig).strip()
    return said.splitlines()[0].rstrip(".") if said else "no answer"
