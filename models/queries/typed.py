"""What somebody typed to find something, as LIKE takes it."""

# From so many letters on, they are looked for anywhere: fewer are in nearly every name, and in no index.
ANYWHERE = 3


def escaped(letters: str) -> str:
    """*letters* of which those that mean something to LIKE are themselves."""
    return "".join(f"\\{letter}" if letter in "\\%_" else letter for letter in letters)


def anywhere(letters: str) -> str:
    """What LIKE takes for *letters* anywhere."""
    return f"%{escaped(letters)}%"


# Of a tenant t, as ix_tenant_letters has it.
HAS_LETTERS = "(t.letters LIKE lower(cast(:letters AS text)) OR t.letters LIKE lower(cast(:or_letters AS text)))"
# Where there are none, nothing is asked.
MAY_HAVE_LETTERS = f"(cast(:letters AS text) IS NULL OR {HAS_LETTERS})"


def looked_for(letters: str | None) -> dict[str, str | None]:
    """What HAS_LETTERS asks for: *letters* anywhere in a name or id; one or two begin it, or a word of it."""
    if letters is None:
        return {"letters": None, "or_letters": None}
    # A line is where the name ends and the id begins, and nobody looks for that.
    letters = letters.replace("\n", " ")
    if len(letters) >= ANYWHERE:
        return {"letters": anywhere(letters), "or_letters": None}
    return {"letters": f"%\n{escaped(letters)}%", "or_letters": f"% {escaped(letters)}%"}
