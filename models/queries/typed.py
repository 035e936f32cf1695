"""What somebody typed to find something, as LIKE takes it."""


def escaped(letters: str) -> str:
    """*letters* of which those that mean something to LIKE are themselves."""
    return "".join(f"\\{letter}" if letter in "\\%_" else letter for letter in letters)


def anywhere(letters: str) -> str:
    """What LIKE takes for *letters* anywhere."""
    return f"%{escaped(letters)}%"
