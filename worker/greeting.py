"""What `uptake up` says when all of it runs: what is where, and what to try next."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from config.settings import Settings
from tasks.rules import rules
from worker.addresses import dashboard_url
from worker.demo import Demo


def greeting(chosen: Settings, demo: Demo | None, link: str | None = None) -> Iterator[str]:
    """Line by line; commands are spelled so that whoever started this one can copy them. *link* signs them in, once."""
    uptake = _spelled(Path(sys.argv[0]))
    dashboard = dashboard_url()
    yield "Uptake runs. Ctrl-C stops all of it."
    yield ""
    yield f"  dashboard  {dashboard}"
    yield from _way_in(link, uptake)
    yield f"  API        {dashboard}/api/v1/apps, with a token: {uptake} token make NAME --scope read"
    if demo:
        yield f"  portal     http://{chosen.portal_host}:{chosen.portal_port} (the demo's; sign in as one of these)"
        for username, password in demo.people:
            yield f"             {username:<10} password {password}"
        yield f"             (these passwords are kept in {_short(demo.config.parent / 'people.json')})"
    yield "  worker     polls, records, judges, alerts and reminds; beat rings for it"
    yield f"  databases  {_databases(chosen)}"
    yield f"  rules      {_short(demo.config if demo else chosen.config)}"
    yield ""
    yield from _next_steps(chosen, demo, uptake)


def _way_in(link: str | None, uptake: str) -> Iterator[str]:
    if link:
        yield f"  sign in    {link}"
        yield f"             (once, within a quarter of an hour; another one: {uptake} user link admin)"
    else:
        yield f"  sign in    who has an account: {uptake} user list; a new one: {uptake} user add NAME --role admin"


def _next_steps(chosen: Settings, demo: Demo | None, uptake: str) -> Iterator[str]:
    if demo:
        yield "Open the link above to see the dashboard, or try in another terminal:"
        yield ""
        yield f"  {uptake} status"
        yield f"  {uptake} laggards {demo.app}"
        yield f"  {uptake} explain {demo.app} {demo.tenant}"
        yield f"  {uptake} timeline {demo.tenant}"
    elif rules().sources:
        yield f"Try in another terminal: {uptake} status"
    else:
        yield f"No source is watched yet: copy docs/uptake.example.toml to {chosen.config}, say where your portal is,"
        yield f"and start again; `{uptake} check` tells what is wrong with it. `{uptake} up --demo` shows it at work."


def _databases(chosen: Settings) -> str:
    embedded = f"embedded, in {_short(chosen.data_dir)}"
    postgres = "as DATABASE_URL says" if chosen.database_url else embedded
    valkey = "as REDIS_URL says" if chosen.redis_url else embedded
    return f"PostgreSQL and Valkey, {postgres}" if postgres == valkey else f"PostgreSQL {postgres}; Valkey {valkey}"


def _spelled(program: Path) -> str:
    if program.name != "uptake":
        return f"{sys.executable} -m worker.cli"
    on_path = shutil.which(program.name)
    return program.name if on_path and Path(on_path).samefile(program) else _short(program)


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
