"""Keep PostgreSQL and Valkey in the directory that the first argument names, until the input ends."""

import json
import sys
from pathlib import Path

from worker.embedded import Postgres, SetupError, Valkey


def main(directory: Path) -> int:
    """Print the addresses as one line when both answer; an obstacle is one line too, and exit code 2."""
    try:
        with Postgres(directory) as database, Valkey(directory) as valkey:
            sys.stdout.write(json.dumps({"database": database, "valkey": valkey}) + "\n")
            sys.stdout.flush()
            sys.stdin.read()
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
