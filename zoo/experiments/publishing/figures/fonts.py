"""The fonts that figures are measured with: those that the drawing library brings, on every machine."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NO_FOLDER = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{folder}</dir></fontconfig>
"""


@contextmanager
def bundled_only() -> Iterator[None]:
    """Hide the fonts of the machine from what looks for fonts by fontconfig within.

    A machine's Liberation Sans may be another version than the library's, with other widths; the size of a
    figure would depend on which packages are installed. The library looks for fonts once in a process, at the
    first drawing.
    """
    before = os.environ.get("FONTCONFIG_FILE")
    with tempfile.TemporaryDirectory() as empty:
        settings = Path(empty) / "fonts.conf"
        settings.write_text(_NO_FOLDER.format(folder=empty))
        os.environ["FONTCONFIG_FILE"] = str(settings)
        try:
            yield
        finally:
            if before is None:
                del os.environ["FONTCONFIG_FILE"]
            else:
                os.environ["FONTCONFIG_FILE"] = before
