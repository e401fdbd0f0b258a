#!/usr/bin/env python
"""Write docs/claims.md, the ledger of what people claim, and the tables of power, from the published data.

scripts/make_claims.py        (`scripts/reproduce.py run` and `figures` do it, too)
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from zoo.experiments.claims.page import write  # noqa: E402
from zoo.studies import STUDIES  # noqa: E402

if __name__ == "__main__":
    for path in write(ROOT / "docs", STUDIES):
        print(f"wrote {path.relative_to(ROOT)}")
