"""What a browser would make of the HTML part of a message."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """The tags of a page, its addresses, its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str | None] = []
        self.attributes: list[tuple[str, ...]] = []
        self.language: str | None = None
        self.said: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag and its address."""
        self.tags.append(tag)
        self.attributes.append(tuple(name for name, _ in attrs))
        self.links += [value for name, value in attrs if name == "href"]
        if tag == "html":
            self.language = dict(attrs).get("lang")

    def handle_data(self, data: str) -> None:
        """Note the text."""
        self.said.append(data)

    @property
    def text(self) -> str:
        """All that is read."""
        return "".join(self.said)
