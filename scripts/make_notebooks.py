#!/usr/bin/env python
"""Write the notebook twin of each question page.

    scripts/make_notebooks.py FOLDER

The build of the site does the same beside the pages. No Keras is needed to write them.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from zoo.site import notebooks

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("error: expected one folder to write to, such as notebooks/")
    for path in notebooks.write(Path(sys.argv[1])):
        print(path)
