"""`python -m zoo.experiments list|run|status|check|figures`: the command, with the studies of this package."""

import sys

from zoo.experiments.command import main
from zoo.studies import STUDIES

if __name__ == "__main__":
    sys.exit(main(STUDIES))
