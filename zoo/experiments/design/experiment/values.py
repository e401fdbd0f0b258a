"""What a value of a spec may be, and the refusal of others."""

SIGNS = ("given", "both")
SCHEDULES = ("constant", "cosine", "steps")
AUGMENTATIONS = ("none", "shift_flip")
LOSSES = (
    "crossentropy_from_logits",
    "crossentropy_from_probabilities",
    "binary_crossentropy_from_logits",
    "binary_crossentropy_from_probabilities",
    "mean_squared_error",
)
MOMENTS = ("start", "interval", "end")
SCALES = ("linear", "log", "symlog")


def choice(owner: object, argument: str, allowed: tuple) -> None:
    """Refuse a field that is none of the allowed values."""
    received = getattr(owner, argument)
    if received not in allowed:
        raise ValueError(
            f"{type(owner).__name__}.{argument} must be one of {', '.join(map(repr, allowed))}; received "
            f"{received!r}"
        )


def positive(owner: object, *arguments: str) -> None:
    """Refuse fields that are neither positive nor None."""
    for argument in arguments:
        received = getattr(owner, argument)
        if received is not None and not received > 0:
            raise ValueError(
                f"{type(owner).__name__}.{argument} must be positive or None; received {received!r}"
            )
