"""What `uptake up --demo` says when all of it runs."""

from pathlib import Path

from config.settings import Settings
from worker.demo import Demo
from worker.greeting import greeting


def test_the_demo_says_where_its_passwords_are_kept() -> None:
    """Whoever closed the terminal finds them in the file beside the demo's rules."""
    people = (("admin", "open-sesame"),)
    demo = Demo(Path.cwd() / ".uptake/demo/uptake.toml", "Dispatch Helper", "1561207975", people)
    said = list(greeting(Settings(), demo))
    assert any("admin" in line and "open-sesame" in line for line in said)
    assert any(str(Path(".uptake/demo/people.json")) in line for line in said)


def test_the_way_in() -> None:
    """Whoever starts it gets a link that signs them in; on somebody else's database, the command that does."""
    link = "http://127.0.0.1:8000/sign-in/once/upl_x"
    with_link, without = ("\n".join(greeting(Settings(), None, given)) for given in (link, None))
    assert link in with_link
    assert "user link admin" in with_link
    assert "user add NAME --role admin" in without
    assert "/sign-in/once/" not in without
