#!/usr/bin/env python
"""Draw the block diagrams and tabulate the catalog for the site, from built graphs.

    scripts/make_docs.py [diagrams] [options] [table]     default: all three

Writes docs/diagrams/*.svg, docs/data/options.json and docs/data/zoo_table.json. Building the site reads these
files and needs no Keras; a test makes some of them again and compares: they cannot disagree with the code.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import keras  # noqa: E402

from zoo.site import from_catalog, from_graph  # noqa: E402
from zoo.site.place import DOCS  # noqa: E402


def write_diagrams() -> None:
    for name in from_graph.diagrams():
        (DOCS / "diagrams" / f"{name}.svg").write_text(from_graph.draw_diagram(name))
        keras.backend.clear_session()


def write_json(name: str, value: object) -> None:
    (DOCS / "data" / f"{name}.json").write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


PARTS = {
    "diagrams": write_diagrams,
    "options": lambda: write_json("options", from_catalog.options()),
    "table": lambda: write_json("zoo_table", from_catalog.table()),
}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        if part not in PARTS:
            sys.exit(f"error: unknown part {part!r}; expected one of {', '.join(PARTS)}")
        PARTS[part]()
