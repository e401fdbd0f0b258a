"""What the studies claim, what is published of it, and the holes of the pages that numbers fill."""

import re
from pathlib import Path

from zoo.experiments.publishing import publication
from zoo.studies import STUDIES

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "docs" / "data"
MEASURED = publication.names(STUDIES.names(), DATA)
CLAIMS = [claim for study in STUDIES.studies() for claim in study.claims]
RULES = [(name, claim, rule) for claim in CLAIMS for name, rule in claim.rules.items()]
HOLES = [
    (path.relative_to(ROOT), *(part.strip() for part in hole.split(":", 1)))
    for path in sorted((ROOT / "docs").rglob("*.md"))
    for hole in re.findall(r"`#!n ([^`]+)`", path.read_text())
]
