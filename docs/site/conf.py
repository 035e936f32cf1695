"""How the Markdown of the repository becomes a site: `make docs`. Nothing is fetched, neither then nor by a reader."""

from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]

project = "Uptake"
extensions = ["myst_parser"]
root_doc = "docs/index"
# All of what links to the documentation, so that no link leads out of the site into nothing.
include_patterns = ["docs/**", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "bench/RESULTS.md", "portal/README.md"]
exclude_patterns = ["docs/site", ".*", "build", "tests", "**/node_modules"]
# As GitHub names headings, for links such as alerts.md#who-hears-and-when.
myst_heading_anchors = 4
# What readers copy from a page is what stands in it.
smartquotes = False
# Example output and crontab-like text are no language.
highlight_language = "text"
# An answer that is shortened by "…" is JSON all the same.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "alabaster"
html_title = "Uptake"
html_static_path = ["uptake.css"]
html_css_files = ["uptake.css"]
html_extra_path = ["index.html"]
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}
html_theme_options = {
    "description": "Which tenant runs which version of your app.",
    "page_width": "1180px",
    "sidebar_width": "230px",
    "sidebar_collapse": True,
    "show_powered_by": False,
    "show_relbars": False,
    "font_family": "system-ui, sans-serif",
    "head_font_family": "system-ui, sans-serif",
}
html_show_sphinx = html_show_copyright = html_copy_source = False
# Summaries of what a search finds are fetched, which no browser does from a file.
html_show_search_summary = False

# The order of the navigation; pages that nobody put here come last, by name.
PARTS = {
    "To begin with": ["README <../README>", "glossary"],
    "To run it": ["operating", "deploy", "metrics", "security", "scaling"],
    "To choose": ["policy", "alerts", "reminders", "messages", "backtest"],
    "To ask": ["dashboard", "api", "forecast"],
    "How it is made": ["architecture", "decisions/index", "../bench/RESULTS", "../portal/README"],
    "To work on it": ["../CONTRIBUTING", "../CHANGELOG"],
}


def _tree(pages: list[str], caption: str = "") -> str:
    head = [":hidden:", ":maxdepth: 1", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["", "```{toctree}", *head, "", *pages, "```", ""])


def _pages() -> list[str]:
    return sorted(path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in (ROOT / "docs").rglob("*.md"))


def _navigation(_: Sphinx, page: str, text: list[str]) -> None:
    """Put the navigation under the pages that begin it: there, where it is no part of what GitHub shows."""
    if page == root_doc:
        known = {name for names in PARTS.values() for name in names}
        others = [name for name in _pages() if name not in known | {"index"} and not name.startswith("decisions/")]
        parts = PARTS | ({"More": others} if others else {})
        text[0] += "".join(_tree(pages, caption) for caption, pages in parts.items())
    if page == "docs/decisions/index":
        text[0] += _tree([name.removeprefix("decisions/") for name in _pages() if name.startswith("decisions/0")])


def setup(app: Sphinx) -> None:
    """Called by Sphinx before it reads."""
    app.connect("source-read", _navigation)
