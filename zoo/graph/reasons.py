"""Why Keras refused something, in its own words."""

from __future__ import annotations


def reason(error: BaseException) -> str:
    """What went wrong in the first place: Keras wraps it, twice, behind the whole configuration."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    text = " ".join(str(error).split())
    text = text.rsplit("Exception encountered: ", 1)[-1]
    return text if text.endswith(".") else f"{text}."
