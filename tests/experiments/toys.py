"""Small nets and measurements for the tests of the experiment engine, importable by worker processes."""

import concurrent.futures
import os
import time

import keras

from zoo.experiments.design.experiment import Arm, Dataset, Experiment, Hook, Recipe
from zoo.experiments.measurements import Row
from zoo.experiments.publishing.publication import publish
from zoo.experiments.running.conduct import conduct
from zoo.experiments.running.run import perform

HERE = "tests.experiments.toys"
DIGITS = Dataset(name="digits", train=400, test=100)
RECIPE = Recipe(learning_rates=(0.05,), epochs=6, batch=50, warmup=4, decay=1e-3)


def net(input_shape, classes, width=12, rate=0.2, normalised=True):
    """Everything whose state a resumed run needs: kernels, moving statistics, dropout's seeds."""
    x = image = keras.Input(input_shape)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(width, use_bias=not normalised)(x)
    if normalised:
        x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Dropout(rate)(x)
    return keras.Model(image, keras.layers.Dense(classes)(x))


def stack(input_shape, classes, activations=4):
    """Convolutions with a ReLU each, which can go one by one."""
    x = image = keras.Input(input_shape)
    for number in range(activations):
        x = keras.layers.Conv2D(4, 3, padding="same", name=f"conv{number}")(x)
        x = keras.layers.ReLU(name=f"act{number}")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(classes)(x))


def exploding(input_shape, classes):
    """Diverges at any learning rate: the logits grow with the fifth power of the kernel."""
    x = image = keras.Input(input_shape)
    x = keras.layers.Flatten()(x)
    for _ in range(4):
        x = keras.layers.Dense(8, kernel_initializer=keras.initializers.RandomNormal(stddev=30.0))(x)
    return keras.Model(image, keras.layers.Dense(classes)(x))


def sleep(context, seconds=0.1):
    """Makes intervals long enough to be hit by a signal."""
    time.sleep(seconds)
    return []


def mark(context, path):
    """Leaves a line for every time a run begins."""
    with open(path, "a") as file:
        file.write(f"{context.seed} {os.getpid()}\n")
    return []


def die_once(context, path):
    """Kills its own process the first time."""
    if not os.path.exists(path):
        with open(path, "w"):
            pass
        os.kill(os.getpid(), 9)
    return []


def die(context):
    """Kills its own process every time."""
    os.kill(os.getpid(), 9)


def weight_norm(context):
    yield Row("weight_norm", float(sum((w**2).sum() for w in context.model.get_weights())))
    for layer, w in enumerate(context.model.get_weights()):
        yield Row("layer_norm", float((w**2).sum()), layer)


def halved(trained, images, seed, factor=0.5):
    """A net made of a trained one: its weights times a factor."""
    trained.set_weights([weight * factor for weight in trained.get_weights()])
    return trained


def fails_until(context, path, at):
    """Fails at an epoch as long as there is no such file."""
    if context.epoch == at and not os.path.exists(path):
        raise RuntimeError("stopped here")
    return []


def fails(context):
    raise RuntimeError("this measurement fails")


def arm(label="toy", **changes):
    return Arm(**{"label": label, "model": f"{HERE}:net", **changes})


def experiment(**changes):
    return Experiment(
        **{
            "name": "toy",
            "question": "Does the engine work?",
            "arms": (arm(),),
            "data": DIGITS,
            "recipe": RECIPE,
            "seeds": (0, 1),
            "seeds_reason": "a test",
            **changes,
        }
    )


def hook(name, **changes):
    return Hook(name=f"{HERE}:{name}", **changes)


class Here:
    """Workers that are this very process."""

    workers = capacity = 1

    def submit(self, job, runs):
        future = concurrent.futures.Future()
        future.set_result(perform(job.run, job.id, runs))
        return future


def published(folder, experiment, **about):
    """Run an experiment in this process and publish it in `folder`."""
    collected = conduct(experiment, runs=folder / "runs", workers=Here(), backend="tensorflow", **about)
    return publish(collected, command="a test", folder=folder)
