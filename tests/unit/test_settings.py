"""The environment: what is read, normalised and refused."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import Settings, SettingsError, load_settings, settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith("UPTAKE_") or name.removesuffix("_FILE") in {
            "DATABASE_URL",
            "REDIS_URL",
            "CELERY_BROKER_URL",
        }:
            monkeypatch.delenv(name)
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_nothing_set_is_enough() -> None:
    """An empty environment means embedded servers, local ports and uptake.toml in this folder."""
    found = load_settings()
    assert found.database_url is None
    assert found.redis_url is None
    assert found.config == Path("uptake.toml")
    assert (found.dashboard_host, found.dashboard_port, found.portal_port) == ("127.0.0.1", 8000, 8001)
    assert (found.log_level, found.log_format) == ("info", "console")


def test_fields_are_few() -> None:
    """There are at most thirty settings; what depends on a source or a receiver belongs into uptake.toml."""
    assert len(Settings.model_fields) <= 30


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_database_url_gets_our_driver(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """Every spelling of a PostgreSQL address ends at the driver we ship."""
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://u:p@db/uptake")
    found = load_settings().database_url
    assert found is not None
    assert found.get_secret_value() == "postgresql+psycopg://u:p@db/uptake"


@pytest.mark.parametrize("name", ["REDIS_URL", "CELERY_BROKER_URL"])
def test_broker_under_both_names(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Users of Celery may keep the name they have."""
    monkeypatch.setenv(name, "redis://:p@cache:6379/1")
    found = load_settings().redis_url
    assert found is not None
    assert found.get_secret_value() == "redis://:p@cache:6379/1"


def test_empty_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose files pass empty strings for what nobody chose."""
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("UPTAKE_DASHBOARD_PORT", "")
    assert load_settings().database_url is None
    assert load_settings().dashboard_port == 8000


def test_level_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """INFO and info mean the same."""
    monkeypatch.setenv("UPTAKE_LOG_LEVEL", "DEBUG")
    assert load_settings().log_level == "debug"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("UPTAKE_DASBOARD_PORT", 'did you mean "UPTAKE_DASHBOARD_PORT"?'),
        ("UPTAKE_ZZZ", "known are: UPTAKE_API_RATE"),
        ("UPTAKE_DATABASE_URL", "UPTAKE_DATABASE_URL is not a known setting"),
    ],
)
def test_unknown_name_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, said: str) -> None:
    """A misspelt name stops the start and the nearest known one is named."""
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError, match="is not a known setting") as caught:
        load_settings()
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["UPTAKE_SECRET_KEY", "DATABASE_URL", "REDIS_URL"])
def test_secret_from_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """NAME_FILE holds the path of the secret; its trailing newline is not part of it."""
    secret = {"DATABASE_URL": "postgresql+psycopg://u:p@db/u", "REDIS_URL": "redis://c"}.get(name, "s" * 40)
    path = tmp_path / "secret"
    path.write_text(secret + "\n")
    monkeypatch.setenv(f"{name}_FILE", str(path))
    found = getattr(load_settings(), name.removeprefix("UPTAKE_").lower())
    assert found.get_secret_value() == secret


def test_secret_file_trouble_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A missing file, an empty one and a doubled choice each say so."""
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "absent"))
    with pytest.raises(SettingsError, match=r"DATABASE_URL_FILE: cannot read .*absent: No such file"):
        load_settings()
    (tmp_path / "absent").write_text("\n")
    with pytest.raises(SettingsError, match="is empty"):
        load_settings()
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/u")
    with pytest.raises(SettingsError, match="are both set"):
        load_settings()


@pytest.mark.parametrize(
    "url",
    [
        "uptake.example",
        "ftp://uptake.example",
        "https://",
        "https://u:p@h",
        "https://h/?a=1",
        "https://h/#a",
        "https://h h",
    ],
)
def test_no_public_address(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Links in messages need a plain address to begin with."""
    monkeypatch.setenv("UPTAKE_SECRET_KEY", "s" * 32)
    monkeypatch.setenv("UPTAKE_PUBLIC_URL", url)
    with pytest.raises(SettingsError, match="UPTAKE_PUBLIC_URL is not an address"):
        load_settings()


def test_links_need_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one anybody could stop anybody's reminders."""
    monkeypatch.setenv("UPTAKE_PUBLIC_URL", "https://uptake.example/")
    with pytest.raises(SettingsError, match="UPTAKE_PUBLIC_URL links to it are signed: set UPTAKE_SECRET_KEY, too"):
        load_settings()
    monkeypatch.setenv("UPTAKE_SECRET_KEY", "s" * 32)
    assert load_settings().public_url == "https://uptake.example"


def test_every_mistake_at_once_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """All wrong values are named in one message; none of them is repeated in it."""
    monkeypatch.setenv("DATABASE_URL", "mysql://root:hunter2@db/u")
    monkeypatch.setenv("REDIS_URL", "hunter2")
    monkeypatch.setenv("UPTAKE_SECRET_KEY", "hunter2")
    monkeypatch.setenv("UPTAKE_PORTAL_PORT", "70000")
    monkeypatch.setenv("UPTAKE_LOG_FORMAT", "xml")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    said = str(caught.value)
    names = ["DATABASE_URL", "REDIS_URL", "UPTAKE_SECRET_KEY", "UPTAKE_PORTAL_PORT", "UPTAKE_LOG_FORMAT"]
    assert [name for name in names if name not in said] == []
    assert len(said.splitlines()) == 5
    assert "hunter2" not in said
    assert caught.value.__cause__ is None


def test_read_once_and_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process never changes its mind: later changes of the environment are not seen."""
    before = settings()
    monkeypatch.setenv("UPTAKE_DASHBOARD_PORT", "9000")
    assert settings() is before
    with pytest.raises(ValueError, match="frozen"):
        before.dashboard_port = 1  # type: ignore[misc]  # the point of the test


def test_secrets_do_not_print(monkeypatch: pytest.MonkeyPatch) -> None:
    """Printing the settings shows no password."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@db/u")
    assert "hunter2" not in repr(load_settings()) + load_settings().model_dump_json()


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
@pytest.mark.parametrize("rest", ["u:hunter@2@db:1/u", "u:hunter2@db:port/u", "u:hunt/er2@db/u", "u:h#hunter2@db/u"])
def test_address_that_drivers_misread(monkeypatch: pytest.MonkeyPatch, name: str, rest: str) -> None:
    """A password that is not escaped is refused at once: a driver would take its end for the host, and show it."""
    monkeypatch.setenv(name, f"{'postgresql' if name == 'DATABASE_URL' else 'redis'}://{rest}")
    with pytest.raises(SettingsError, match="write @ as %40") as caught:
        load_settings()
    assert "hunt" not in str(caught.value)


@pytest.mark.parametrize(
    "rest", ["u:p@[::1]:5432/u", "db/u?x=a@b:c", "/u?host=/run/pg", "db:/u", "u@db", ":p%40@db:1/0"]
)
def test_address_that_is_well(monkeypatch: pytest.MonkeyPatch, rest: str) -> None:
    """Every other way to write an address is left to the drivers."""
    monkeypatch.setenv("DATABASE_URL", f"postgresql://{rest}")
    found = load_settings().database_url
    assert found
    assert found.get_secret_value() == f"postgresql+psycopg://{rest}"


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("redis+socket:///run/v.sock", "redis+socket:///run/v.sock"),
        ("unix:///run/v.sock", "redis+socket:///run/v.sock"),
        ("unix://:p@/run/v.sock?db=3", "redis+socket://:p@/run/v.sock?virtual_host=3"),
    ],
)
def test_socket_of_the_broker(monkeypatch: pytest.MonkeyPatch, told: str, kept: str) -> None:
    """A socket may be written as Redis clients or as Celery have it, and ends as Celery needs it."""
    monkeypatch.setenv("REDIS_URL", told)
    found = load_settings().redis_url
    assert found
    assert found.get_secret_value() == kept


@pytest.mark.parametrize(
    "url", ["redis+socket://run/v.sock", "unix://v.sock", "unix://:hunter2@run/v.sock", "unix:///"]
)
def test_socket_without_its_path(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """A relative path would be read as a host, and silently dropped: it is refused."""
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises(SettingsError, match=r"REDIS_URL names no socket by its whole path; write redis\+socket:///"):
        load_settings()


def test_programs_of_the_embedded_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other programs than the wheels' are a choice like any other."""
    assert (load_settings().pg_bin, load_settings().redis_bin) == (None, None)
    monkeypatch.setenv("UPTAKE_PG_BIN", "/opt/pg/bin")
    monkeypatch.setenv("UPTAKE_REDIS_BIN", "/opt/redis-server")
    assert (load_settings().pg_bin, load_settings().redis_bin) == (Path("/opt/pg/bin"), Path("/opt/redis-server"))


@pytest.mark.parametrize(
    ("set_to", "said"),
    [
        ({"UPTAKE_OIDC_ISSUER": "https://id.acme.example"}, "UPTAKE_OIDC_ISSUER signs nobody in alone"),
        ({"UPTAKE_OIDC_CLIENT_ID": "uptake"}, "UPTAKE_OIDC_ISSUER signs nobody in alone"),
        ({"UPTAKE_OIDC_ISSUER": "http://id.acme.example", "UPTAKE_OIDC_CLIENT_ID": "u"}, "is not an issuer"),
        ({"UPTAKE_OIDC_ISSUER": "https://u:p@id.acme.example", "UPTAKE_OIDC_CLIENT_ID": "u"}, "is not an issuer"),
        ({"UPTAKE_OIDC_ROLES": "admins"}, "UPTAKE_OIDC_ROLES names no roles"),
        ({"UPTAKE_API_RATE": "-1"}, "UPTAKE_API_RATE"),
    ],
)
def test_half_a_provider(monkeypatch: pytest.MonkeyPatch, set_to: dict[str, str], said: str) -> None:
    """What would sign nobody in, or by a channel that others read, stops the start."""
    for name, value in set_to.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=said):
        load_settings()
