"""What somebody typed to find something, as LIKE takes it."""

# From so many letters on, they are looked for anywhere: fewer are in nearly every name, and in no index.
ANYWHERE = 3


def escaped(letters: str) -> str:
    """*letters* of which those that mean something to LIKE are themselves."""
    return "".join(f"\\{letter}" if letter in "\\%_" else letter for letter in letters)


def anywhere(letters: str) -> str:
    """What LIKE takes for *letters* anywhere."""
    return f"%{escaped(letters)}%"


def patterns(letters: str) -> list[str]:
    """What LIKE takes, any of them, for *letters* of a name: anywhere; one or two begin it, or a word of it."""
    return [anywhere(letters)] if len(letters) >= ANYWHERE else [f"{escaped(letters)}%", f"% {escaped(letters)}%"]
