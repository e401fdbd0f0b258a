"""Times in words."""


def minutes(value: float) -> str:
    """A time in words.

    Example:
        >>> from zoo.experiments.running.durations import minutes
        >>> minutes(0.4), minutes(41.2), minutes(150)
        ('24 s', '41 min', '2 h 30 min')
    """
    if value < 1:
        return f"{round(value * 60)} s"
    if value < 90:
        return f"{round(value)} min"
    return f"{round(value) // 60} h {round(value) % 60} min"
