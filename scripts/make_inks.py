#!/usr/bin/env python
"""Write the table of colours and dashes for the pages that draw by themselves.

    scripts/make_inks.py

Reads `zoo/experiments/publishing/inks.py`; writes docs/stylesheets/inks.css, on every page, and
docs/javascripts/inks.js, for the things to try that show series of the charts.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from zoo.experiments.publishing.inks import MARKS, SAME, TABLE, ink  # noqa: E402

NOTE = "/* Written by scripts/make_inks.py. */\n"


def style() -> str:
    """Variables of the page: on paper those for light pages, whatever the screen shows."""
    light, dark = ("".join(f"  --zoo-{name}: {both[i]};\n" for name, both in MARKS.items()) for i in (0, 1))
    return (
        f'{NOTE}:root,\n[data-md-color-scheme="default"] {{\n{light}}}\n'
        f'@media screen {{\n[data-md-color-scheme="slate"] {{\n{dark}}}\n}}\n'
    )


def script() -> str:
    """`zooInks[name]` is `[colour, dashes as SVG has them]`."""
    names = [name for group in TABLE.values() for name in group] + list(SAME)
    inks = {name: [ink(name).colour, " ".join(map(str, ink(name).dash))] for name in names}
    return f"{NOTE}globalThis.zooInks =\n{json.dumps(inks, separators=(',', ':'))}\n;\n"


FILES = {
    ROOT / "docs" / "stylesheets" / "inks.css": style,
    ROOT / "docs" / "javascripts" / "inks.js": script,
}

if __name__ == "__main__":
    for path, content in FILES.items():
        path.write_text(content(), encoding="utf-8")
