"""Patterns in which * stands for anything."""


def fits(pattern: str, name: str) -> bool:
    """Whether the *name* is one that the *pattern* means, in which * stands for anything; quick, whoever wrote it."""
    first, *others = pattern.split("*")
    if not others:
        return name == first
    *between, last = others
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    # The earliest place of each piece leaves the most for those that follow: no other need ever be tried.
    place, end = len(first), len(name) - len(last)
    for piece in between:
        found = name.find(piece, place, end)
        if found < 0:
            return False
        place = found + len(piece)
    return True
