# Sourced by the commands beside it. `use_venv EXTRA...` makes .venv ready and moves to the checkout's root.
# Needs nothing but a Python with pip; the work is done by venv.py.

find_python() {
    local candidate
    # The upper bound is TensorFlow's: 2.21 has wheels for 3.11 to 3.13.
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "error: expected Python 3.11, 3.12 or 3.13; python3 is $(python3 --version 2>&1 || true)." >&2
    echo "Install one of them, or name it: PYTHON=/path/to/python3.11 ${0##*/}" >&2
    return 1
}

use_venv() {
    local python
    cd "$(dirname "${BASH_SOURCE[0]}")/.."
    python=$(find_python) || exit 1
    "$python" scripts/venv.py "$@" || exit 1
}
