"""One convolution against the two, with an activation between them, that it stands for once the activation is gone."""

from __future__ import annotations

QUESTION = "How long does one merged convolution take, next to the two that it stands for?"

BATCH = 32
SIZES = ((32, 16), (16, 32), (16, 64), (8, 64), (8, 256))  # pixels of a side, channels
KERNELS = ((3, 3), (1, 3), (1, 1))


def measure(quick=False, only=()):
    """A row a size and pair of kernels: milliseconds of both, timed in turn, and what merging makes of it."""
    import keras

    from zoo.latency import Stopwatch

    stopwatch = Stopwatch(BATCH)

    def net(side, channels, *kernels):
        parts = [keras.layers.Conv2D(channels, k, padding="same", activation="relu") for k in kernels]
        return keras.Sequential([keras.Input((side, side, channels)), *parts])

    for side, channels in SIZES[:1] if quick else SIZES:
        for first, second in KERNELS:
            merged = first + second - 1
            two, one = stopwatch.in_turn([net(side, channels, first, second), net(side, channels, merged)])
            yield {
                "operation": f"{first}x{first} and {second}x{second} as {merged}x{merged}",
                "what": f"{side}x{side} pixels, {channels} channels",
                "batch": BATCH,
                "two_ms": two,
                "one_ms": one,
                "times_faster": two / one,
            }
