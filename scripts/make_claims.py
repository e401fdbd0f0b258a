#!/usr/bin/env python
"""Write docs/claims.md and the readings under the figures from the published data: scripts/make_claims.py"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from zoo.experiments.claims.page import claims_page  # noqa: E402


def main() -> None:
    (ROOT / "docs" / "claims.md").write_text(claims_page(ROOT / "docs" / "data"))
    print("wrote docs/claims.md")


if __name__ == "__main__":
    main()
