#!/usr/bin/env python
"""Write docs/claims.md and the honest readings, docs/snippets/readings/NAME.md, from the published data.

scripts/make_claims.py
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from zoo.experiments import publication  # noqa: E402
from zoo.experiments.claims.page import claims_page  # noqa: E402
from zoo.experiments.claims.readings import READINGS, reading, unread  # noqa: E402
from zoo.experiments.numbers import Numbers  # noqa: E402

DATA = ROOT / "docs" / "data"
TEXTS = ROOT / "docs" / "snippets" / "readings"


def main() -> None:
    (ROOT / "docs" / "claims.md").write_text(claims_page(DATA))
    TEXTS.mkdir(parents=True, exist_ok=True)
    for name in READINGS:
        there = (DATA / f"{name}.json").exists()
        text = reading(Numbers(publication.load(name, DATA))) if there else unread(name)
        (TEXTS / f"{name}.md").write_text(text)
    print(f"wrote docs/claims.md and {len(READINGS)} readings")


if __name__ == "__main__":
    main()
