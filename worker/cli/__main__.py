"""`python -m worker.cli`: the command `uptake` for whoever has no PATH to it."""

from worker.cli import main

main()
