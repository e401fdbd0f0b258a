#!/usr/bin/env python
"""Run, publish and check the experiments: `scripts/reproduce.py list` names them. `python -m zoo.experiments` is the same command.

scripts/reproduce.py list
scripts/reproduce.py run NAME... [--quick] [--seeds N] [--workers N] [--scheduler ADDRESS] [--dataset NAME]
scripts/reproduce.py status
scripts/reproduce.py check NAME
scripts/reproduce.py publish
scripts/reproduce.py figures
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from zoo.experiments.command import main
from zoo.studies import STUDIES

if __name__ == "__main__":
    sys.exit(main(STUDIES, prog="scripts/reproduce.py"))
