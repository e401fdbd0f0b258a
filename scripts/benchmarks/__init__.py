"""One file a question; each has a QUESTION and `measure(quick, only)`, which yields rows."""
