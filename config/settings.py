"""What the environment chooses: one frozen Settings, read once, unknown UPTAKE_* names refused."""

import difflib
import functools
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from config.claim_roles import ClaimRoles, claim_roles

PREFIX = "UPTAKE_"


class SettingsError(Exception):
    """A choice somebody made cannot be used; the text says which, where and how to mend it, one per line."""


def nearest(name: str, known: Iterable[str], *, prefix: str = "") -> str:
    """The sentence that points from *name* to the most alike of *known*, or lists them all."""
    # Compared without the prefix, which would make all names alike.
    names = {other.removeprefix(prefix): other for other in sorted(known)}
    alike = difflib.get_close_matches(name.removeprefix(prefix), names, n=1, cutoff=0.6)
    return f'did you mean "{names[alike[0]]}"?' if alike else f"known are: {', '.join(names.values())}"


def _check_authority(rest: str) -> None:
    """Refuse what the drivers would misread: a piece of the password as the host, and then show it."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    host = authority.rpartition("@")[2]
    if authority.count("@") > 1 or not re.fullmatch(r"(?:\[[^]]*]|[^][:]*)(?::[0-9]*)?", host):
        raise ValueError("cannot be read; in its password write @ as %40, : as %3A, / as %2F, and the port in digits")


def _postgres_url(url: SecretStr) -> SecretStr:
    # The value is never repeated in a message: it usually holds a password.
    scheme, separator, rest = url.get_secret_value().partition("://")
    if not separator or not rest or scheme not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise ValueError("is not a PostgreSQL address; write postgresql://user:password@host:5432/database")
    _check_authority(rest)
    return SecretStr(f"postgresql+psycopg://{rest}")


def _redis_url(url: SecretStr) -> SecretStr:
    scheme, separator, rest = url.get_secret_value().partition("://")
    if not separator or not rest or scheme not in {"redis", "rediss", "redis+socket", "unix"}:
        raise ValueError("is not a Redis or Valkey address; write redis://:password@host:6379/0")
    if scheme in {"redis", "rediss"}:
        _check_authority(rest)
        return url
    if not re.match(r"(?:[^/?@]*@)?/[^?]", rest):
        raise ValueError("names no socket by its whole path; write redis+socket:///run/valkey.sock")
    # The client's own spelling, unix:///run/valkey.sock?db=1, in Celery's words.
    return SecretStr(f"redis+socket://{re.sub('(?<=[?&])db=', 'virtual_host=', rest)}")


def _public_url(url: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:-]+(/[!-~]*)?", url) or re.search(r"[?#]", url):
        raise ValueError("is not an address; write something like https://uptake.acme.example")
    return url.rstrip("/")


def _issuer(url: str) -> str:
    # Only where nobody can be in between may it be plain HTTP.
    if not re.fullmatch(r"https://[^\s?#@]+|http://(?:127\.0\.0\.1|localhost|\[::1])(?::[0-9]+)?(?:/[^\s?#@]*)?", url):
        raise ValueError("is not an issuer; write its address as it does itself, such as https://id.acme.example")
    return url


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


Port = Annotated[int, Field(ge=1, le=65535)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)]
LogFormat = Annotated[Literal["console", "json"], BeforeValidator(_lower)]


class Settings(BaseSettings):
    """Everything the environment may choose. Databases left out are embedded ones."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    database_url: Annotated[SecretStr, AfterValidator(_postgres_url)] | None = None
    redis_url: Annotated[SecretStr, AfterValidator(_redis_url)] | None = None
    config: Path = Path("uptake.toml")
    data_dir: Path = Path(".uptake")
    secret_key: Annotated[SecretStr, Field(min_length=32)] | None = None
    # Where others reach the dashboard's opt-out page; reminders carry a link to it.
    public_url: Annotated[str, AfterValidator(_public_url)] | None = None
    dashboard_host: str = "127.0.0.1"
    dashboard_port: Port = 8000
    portal_host: str = "127.0.0.1"
    portal_port: Port = 8001
    # Read by the portal itself, which imports nothing of ours; known here, so that a misspelt one is noticed.
    portal_rate: Annotated[int, Field(ge=0)] = 60
    portal_token_rate: Annotated[int, Field(ge=0)] = 60
    # Calls of the API a minute, for each token, person and unknown address; 0 is no limit.
    api_rate: Annotated[int, Field(ge=0)] = 600
    metrics_need_token: bool = False
    # How many apps have figures of their own; all others are counted together.
    metrics_apps: Annotated[int, Field(ge=0, le=10_000)] = 100
    # Who signs in through an identity provider, and by which of its claims as what.
    oidc_issuer: Annotated[str, AfterValidator(_issuer)] | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_roles: Annotated[ClaimRoles, NoDecode, BeforeValidator(claim_roles)] | None = None
    # Programs of the embedded servers other than those of the wheels.
    pg_bin: Path | None = None
    redis_bin: Path | None = None
    log_level: LogLevel = "info"
    log_format: LogFormat = "console"

    @model_validator(mode="after")
    def _links_are_signed(self) -> Self:
        if self.public_url is not None and self.secret_key is None:
            raise ValueError("links to it are signed: set UPTAKE_SECRET_KEY, too (32 characters or more)")
        return self

    @model_validator(mode="after")
    def _provider_is_whole(self) -> Self:
        if (self.oidc_issuer is None) != (self.oidc_client_id is None):
            raise ValueError("signs nobody in alone: set UPTAKE_OIDC_ISSUER and UPTAKE_OIDC_CLIENT_ID together")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment; no other place is looked at."""
        return init_settings, _Environment(settings_cls)


# Names that hosting services and Celery users already set; the first one is used in messages.
_UNPREFIXED = {"database_url": ("DATABASE_URL",), "redis_url": ("REDIS_URL", "CELERY_BROKER_URL")}
_SECRETS = frozenset({"database_url", "redis_url", "secret_key", "oidc_client_secret"})


def _environment_names(field: str) -> tuple[str, ...]:
    return _UNPREFIXED.get(field, (PREFIX + field.upper(),))


class _Environment(PydanticBaseSettingsSource):
    """The process environment: NAME_FILE beside NAME for secrets, nothing unknown under our prefix."""

    def get_field_value(  # the name is pydantic-settings' own
        self,
        field: FieldInfo,  # noqa: ARG002 - the base class asks for it
        field_name: str,
    ) -> tuple[Any, str, bool]:
        """The value of one field; the first of its names that is set and not empty wins."""
        for name in _environment_names(field_name):
            value = _value(name, secret=field_name in _SECRETS)
            if value:
                return value, field_name, False
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields
        _refuse_unknown(fields)
        read = ((name, self.get_field_value(field, name)[0]) for name, field in fields.items())
        return {name: value for name, value in read if value is not None}


def _value(name: str, *, secret: bool) -> str | None:
    file = os.environ.get(f"{name}_FILE") if secret else None
    if not file:
        return os.environ.get(name)
    if os.environ.get(name):
        raise SettingsError(f"{name} and {name}_FILE are both set; keep one of them")
    try:
        content = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsError(f"{name}_FILE: cannot read {file}: {reason}") from None
    if not content:
        raise SettingsError(f"{name}_FILE: {file} is empty; it must hold the value of {name}")
    return content


def _refuse_unknown(fields: Iterable[str]) -> None:
    known = {name for field in fields for name in _environment_names(field) if name.startswith(PREFIX)}
    known |= {f"{PREFIX}{field.upper()}_FILE" for field in _SECRETS - _UNPREFIXED.keys()}
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise SettingsError("\n".join(_unknown(name, known) for name in unknown))


def _unknown(name: str, known: Iterable[str]) -> str:
    return f"environment: {name} is not a known setting; {nearest(name, known, prefix=PREFIX)}"


def _sentence(field: str, message: str) -> str:
    return f"environment: {_environment_names(field)[0]} {message}"


def _of_two(message: str) -> str:
    """Which setting a mistake that two of them make is told of."""
    return "oidc_issuer" if "OIDC" in message else "public_url"


def load_settings() -> Settings:
    """The settings as the environment has them now; raises SettingsError with every mistake in it."""
    try:
        return Settings()
    except ValidationError as error:
        mistakes = error.errors(include_url=False, include_input=False, include_context=False)
        # "Value error, " is pydantic's own preface, not ours.
        found = [
            (str(m["loc"][0]) if m["loc"] else _of_two(m["msg"]), m["msg"].removeprefix("Value error, "))
            for m in mistakes
        ]
        raise SettingsError("\n".join(_sentence(*mistake) for mistake in found)) from None


@functools.cache
def settings() -> Settings:
    """The settings of this process, read at the first call and never again."""
    return load_settings()
