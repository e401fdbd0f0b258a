"""Published once more from the published rows: today's statistics, tables and words, and no training."""

import dataclasses
from pathlib import Path

from zoo.experiments.design.experiment import Experiment
from zoo.experiments.publishing import publication
from zoo.experiments.publishing.freshness import FREE, asks_otherwise
from zoo.experiments.publishing.publication import FOLDER, PublicationError, Published


def publish_again(experiment: Experiment, folder: Path = FOLDER) -> Published:
    """Derive all that is said of an experiment anew from its published rows: no training.

    Tables, comparisons, outcomes of runs and words of the specification are today's; rows, runs and what they
    come from stay.

    Args:
        experiment: As asked for today; of its seeds those that are published.
        folder: Of published data.

    Raises:
        PublicationError: Nothing is published, it was edited, or other runs are asked for by now.
    """
    published = publication.load(experiment.name, folder)
    so_far = tuple(published.about["spec"]["seeds"])
    if len(so_far) < len(experiment.seeds):
        reason = published.about["spec"]["seeds_reason"]
        experiment = dataclasses.replace(experiment, seeds=so_far, seeds_reason=reason)
    other = [reason for reason in asks_otherwise(experiment, published.about) if not reason.endswith(FREE)]
    if other:
        raise PublicationError(
            f"{experiment.name} asks for other runs than are published ({'; '.join(other)}); python -m zoo.experiments "
            f"run {experiment.name} makes them"
        )
    return publication.write(experiment, list(published.rows), published.about, folder)
