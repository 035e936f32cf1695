"""`make bench`: measure section by section, print, and write RESULTS.md."""

import argparse
import signal
import sys
from pathlib import Path

from bench.cluster import postgres_version
from bench.report import Section, keep, kept, rendered, shown
from bench.scale import Scale
from bench.sections import SECTIONS

_HERE = Path(__file__).parent
_RESULTS = _HERE / "results"


def main() -> None:
    """Run the sections asked for; quick ones leave what is written as it is."""
    # Servers and measured processes are ended on the way out, whatever ends us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    names, scale = _asked()
    for name in names:
        print(f"{name} ...", flush=True)
        section = SECTIONS[name](scale)
        print(f"\n{shown(section)}\n", flush=True)
        if not scale.quick:
            _name(section, scale)
            keep(_RESULTS, section)
            (_HERE / "RESULTS.md").write_text(rendered(_in_order(kept(_RESULTS)), database=postgres_version()))


def _asked() -> tuple[list[str], Scale]:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"what to measure, of: {', '.join(SECTIONS)}")
    parser.add_argument("--apps", type=int, help="apps of the portal (100)")
    parser.add_argument("--tenants", type=int, help="tenants connected to each app (10,000)")
    parser.add_argument("--page", type=int, default=500, help="connections on a page (%(default)s)")
    parser.add_argument("--rounds", type=int, help="how often each subject is measured (5)")
    parser.add_argument("--quick", action="store_true", help="small sizes, only to see that it works; keeps nothing")
    parser.add_argument("--full", action="store_true", help="dlt on all connections, not on a tenth of them")
    parser.add_argument(
        "--keep", type=Path, metavar="DIRECTORY", help="make the two years of `questions` once, in here"
    )
    asked = parser.parse_args()
    if unknown := [name for name in asked.names if name not in SECTIONS]:
        parser.error(f"there is no {unknown[0]}; known are: {', '.join(SECTIONS)}")
    usual = Scale(apps=4, tenants=1_000, rounds=2) if asked.quick else Scale()
    return asked.names or list(SECTIONS), Scale(
        apps=asked.apps or usual.apps,
        tenants=asked.tenants or usual.tenants,
        page=asked.page,
        rounds=asked.rounds or usual.rounds,
        quick=asked.quick,
        full=asked.full,
        kept=asked.keep,
    )


def _name(section: Section, scale: Scale) -> None:
    """Keep what was measured with other pages, or more of dlt, beside the usual figures."""
    section.command = section.name
    if scale.page != Scale().page:
        section.command += f" --page {scale.page}"
        section.title += f" (pages of {scale.page:,})"
    if scale.full:
        section.command += " --full"
    section.name = section.command.replace(" --", "-").replace(" ", "-")


def _in_order(sections: list[Section]) -> list[Section]:
    order = list(SECTIONS)
    return sorted(sections, key=lambda each: (order.index(each.command.split()[0]), each.command))


if __name__ == "__main__":
    main()
