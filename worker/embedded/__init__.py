"""PostgreSQL and Valkey of our own, from the programs in two wheels: nothing to install, nothing to configure."""

from worker.embedded.directory import Directory, Lock, Servers, running
from worker.embedded.errors import SetupError
from worker.embedded.postgres import Postgres
from worker.embedded.server import Server
from worker.embedded.valkey import Valkey

__all__ = ["Directory", "Lock", "Postgres", "Server", "Servers", "SetupError", "Valkey", "running"]
