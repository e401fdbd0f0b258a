"""What `activation_importance` costs next to asking the same of one activation after the other."""

from __future__ import annotations

from benchmarks.race import Contender

QUESTION = "What does it cost to ask for the importance of all activations, next to dropping them one by one?"

NET, SHAPE = "ResNet50", (224, 224, 3)
IMAGES = (16, 256)
# Dropping one costs about what dropping another does: each is one pass to fit and one to evaluate. Every seventh stands
# for all, so that the slow side takes minutes and not hours; `--only "all sites"` asks all.
EVERY = 7


def measure(quick=False, only=()):
    """A row a number of images: processor seconds of both sides, each in a process of its own."""
    counts = [int(one) for one in only if one.isdigit()] or list(IMAGES[:1] if quick else IMAGES)
    every = 1 if "all sites" in only else EVERY
    for images in counts:
        given = {"net": NET, "images": images, "shape": SHAPE}
        ours, at_once = _run("importance", given)
        naive, one_by_one = _run("one_by_one", {**given, "every": every})
        scaled = one_by_one["cpu_s"] * naive["sites"] / naive["asked"]
        yield {
            "net": NET,
            "images": images,
            "sites": ours["sites"],
            "at_once_cpu_s": at_once["cpu_s"],
            "asked_one_by_one": naive["asked"],
            "one_by_one_cpu_s": scaled,
            "ratio": at_once["cpu_s"] / scaled,
            "at_once_gb": at_once["peak_gb"],
            "one_by_one_gb": one_by_one["peak_gb"],
        }


def _run(kind, options):
    """What the contender said when it was ready, and one turn of it: processor seconds and peak memory."""
    contender = Contender(kind, **options)
    contender.go()
    return contender.ready, {"cpu_s": contender.cpu_seconds, "peak_gb": contender.end()["peak_gb"]}
