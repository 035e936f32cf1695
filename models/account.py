"""Who may see and do what: people and their sessions, the tokens of programs, and what was done with all of it."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, FetchedValue, ForeignKey, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from models.base import Base, document, index, pk


class Role(StrEnum):
    """What somebody may do; each may do what the ones before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether who has this role may do what *other* is asked for."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)


class Scope(StrEnum):
    """What a token is for."""

    READ = "read"
    OPERATE = "operate"
    ADMIN = "admin"

    @property
    def role(self) -> Role:
        """The role of a program that holds a token for this."""
        return list(Role)[list(Scope).index(self)]


class Account(Base):
    """Somebody who signs in: with a password, through the identity provider, or by a link that holds once."""

    __tablename__ = "account"
    __table_args__ = (
        CheckConstraint("name = lower(name)", name="small", comment="Ada and ada are the same name."),
        index("uq_account_name", "name", unique=True, why="A name is one person's."),
        index("uq_account_subject", "subject", unique=True, why="Whom the identity provider names is one account."),
    )

    id: Mapped[pk]
    name: Mapped[str]
    role: Mapped[Role]
    password_hash: Mapped[str | None]  # argon2id
    subject: Mapped[str | None]  # issuer and subject of the identity provider, with a space between
    sources: Mapped[list[str] | None] = mapped_column(ARRAY(Text))  # None: all of them
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class Token(Base):
    """A program's credential; what it holds is told once and only its digest is kept."""

    __tablename__ = "token"
    __table_args__ = (
        index("uq_token_hash", "hash", unique=True, why="Which token is shown; one secret is one token."),
        index(
            "uq_token_name",
            "name",
            unique=True,
            postgresql_where=text("revoked_at IS NULL"),
            why="A name is one token's, of those that are not revoked.",
        ),
    )

    id: Mapped[pk]
    name: Mapped[str]
    scope: Mapped[Scope]
    hash: Mapped[bytes]  # SHA-256: of 256 random bits, which cannot be guessed back
    sources: Mapped[list[str] | None] = mapped_column(ARRAY(Text))  # None: all of them
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]  # to the minute
    revoked_at: Mapped[datetime | None]


class SignIn(Base):
    """What keeps a browser signed in: without the row, its cookie opens nothing."""

    __tablename__ = "sign_in"
    __table_args__ = (index("ix_sign_in_account_id", "account_id", why="Everything of one account ends together."),)

    hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)  # SHA-256 of the cookie
    account_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("account.id", ondelete="CASCADE"))
    began_at: Mapped[datetime]
    seen_at: Mapped[datetime]  # to the minute


class Ticket(Base):
    """What holds once and for minutes: a link that signs in, or the way to an identity provider and back."""

    __tablename__ = "ticket"

    hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    account_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("account.id", ondelete="CASCADE"))
    data: Mapped[document] = mapped_column(JSONB, server_default=text("'{}'"))
    expires_at: Mapped[datetime]


class SavedView(Base):
    """A page with what it was asked to show, under a name that its account gave it."""

    __tablename__ = "saved_view"
    __table_args__ = (
        UniqueConstraint(
            "account_id", "name", comment="A name stands for one view of an account; saved again, it is another."
        ),
    )

    id: Mapped[pk]
    account_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("account.id", ondelete="CASCADE"))
    name: Mapped[str]
    address: Mapped[str]  # path and query
    saved_at: Mapped[datetime]


class AuditEntry(Base):
    """Who did what, when and about what; PostgreSQL refuses to change or remove a row, and chains each to the last."""

    __tablename__ = "audit"

    id: Mapped[pk]
    at: Mapped[datetime]
    who: Mapped[str]
    by_way_of: Mapped[str]  # page | api | cli | up
    what: Mapped[str]  # such as account.added
    about: Mapped[str]
    data: Mapped[document] = mapped_column(JSONB, server_default=text("'{}'"))
    hash: Mapped[bytes] = mapped_column(server_default=FetchedValue())  # of the row and the hash of the one before
