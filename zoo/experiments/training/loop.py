"""A run in memory: built from its description, advanced an interval at a time, saved and restored whole."""

import functools
import gc
import hashlib
import math
import time
from typing import Any

import keras
import numpy as np

from zoo.experiments import measurements
from zoo.experiments.data.sets import Images, load
from zoo.experiments.design.experiment import canonical
from zoo.experiments.design.plan import ContinuedRun, Run
from zoo.experiments.fingerprint import graph_fingerprint
from zoo.experiments.measurements import Context, Row
from zoo.experiments.training.schedule import rate_number
from zoo.experiments.training.seeds import seeded
from zoo.experiments.training.steps import make_steps

TRACE = 5  # First losses kept of every run, which today's code must be able to retrace.
TEST_BATCH = 500


def build_model(name: str, *, images: Images, seed: int, **options: Any) -> keras.Model:
    """Build a model for these images, its initial weights drawn from `seed`.

    Args:
        name: A name for `zoo.build`, or `package.module:function`.
        images: Give `input_shape` and `classes` where the options do not.
        seed: Of the initial weights and of dropout.
        **options: Of the model.
    """
    if ":" in name:
        make = measurements.resolve(name)
    else:
        import zoo

        make = functools.partial(zoo.build, name)
    with seeded(seed):
        return make(**{"input_shape": images.shape, "classes": images.classes, **options})


def forget_graphs() -> None:
    """Free what earlier runs of this process left behind, but for the last programs on JAX: a worker does many."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")  # it warns of retracing; each run traces its own steps, once
    _keep_modules()
    keras.backend.clear_session()


@functools.cache
def _keep_modules() -> None:
    """Take what is there for good, the modules, out of every later collection of garbage: it was most of its time."""
    gc.collect()
    gc.freeze()


class Training:
    """One run from its first step to its last.

    The order of the images is a permutation drawn from (seed, epoch) and augmentation from (seed, epoch) too,
    so nothing about them needs to be saved: the number of the step says it all. What is saved is every
    variable of the model (with the state of its random generators) and of the optimiser.

    A run that goes on after another is given the weights which that one ended with. What its function makes of the net
    depends on nothing else, so a resumed run makes the same of it.
    """

    def __init__(self, run: Run, *, begins_with: list[np.ndarray] | None = None, eager: bool = False):
        self.run = run
        self.images = load(run.data) if run.data is not None else None
        built = run.origin
        self.model = (
            build_model(built.model, images=self.images, seed=built.seed, **built.options)
            if built.model
            else None
        )
        self.graph = graph_fingerprint(self.model) if self.model is not None else None
        self.id = run.id(self.graph, self.images.sha256 if self.images else None)
        if begins_with is not None:
            self.model.set_weights(begins_with)
            if run.model:
                with seeded(run.seed):
                    self.model = measurements.resolve(run.model)(
                        trained=self.model, images=self.images, seed=run.seed, **run.options
                    )
        self.step, self.trace = 0, []
        recipe = run.recipe
        if recipe is None:
            self.total = 0
            return
        self.per_epoch = len(self.images.x_train) // recipe.batch
        if not self.per_epoch:
            raise ValueError(
                f"a batch of {recipe.batch} is more than the {len(self.images.x_train)} training images"
            )
        self.total = recipe.steps or max(1, round(recipe.epochs * self.per_epoch))
        self.every = recipe.record_every or self.per_epoch
        self.eager = eager
        self._steps = None
        self._order = (None, None, None)
        self.background = float(self.images.x_train[0].min())

    @property
    def steps(self) -> Any:
        """The compiled steps, made when first needed, since an arm that only measures needs none."""
        if self._steps is None:
            # A net made of a trained one may hold what its graph's fingerprint, that of the first net, does not tell.
            # And what a fingerprint cannot tell, such as two functions of one name, the builder's options may.
            built = canonical([self.run.model, self.run.options, self.graph])
            graph = None if isinstance(self.run, ContinuedRun) else built
            self._steps = make_steps(self.model, self.run.recipe, self.total, eager=self.eager, graph=graph)
        return self._steps

    def restart(self, state: dict[str, np.ndarray], *, eager: bool) -> None:
        """Go back to a saved state, with steps made anew."""
        self.eager, self._steps = eager, None
        self.restore(state)

    def losses(self, count: int) -> list[float]:
        """The losses of the first steps, taken one by one and recorded nowhere."""
        return [float(self.steps.train(*self.batch(step))[0]) for step in range(count)]

    @property
    def epoch(self) -> float:
        """Passes over the training images so far."""
        return self.step / self.per_epoch if self.total else 0.0

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels of a step."""
        epoch, place = divmod(step, self.per_epoch)
        if self._order[0] != epoch:
            generator = np.random.default_rng((self.run.seed, epoch))
            order = generator.permutation(len(self.images.x_train))
            side = self.images.shape[0]
            reach = max(1, side // 8)
            drawn = generator.integers([0, 0, 0], [2 * reach + 1, 2 * reach + 1, 2], (len(order), 3))
            self._order = (epoch, order, drawn)
        size = self.run.recipe.batch
        part = slice(place * size, (place + 1) * size)
        chosen = self._order[1][part]
        images = self.images.x_train[chosen]
        if self.run.recipe.augmentation == "shift_flip":
            images = shift_flip(images, self._order[2][part], background=self.background)
        return images, self.images.y_train[chosen]

    def begin(self) -> list[Row]:
        """Measurements before the first step."""
        return self._take("start")

    def advance(self) -> dict:
        """Train up to the next record and return what to write down of it."""
        end = min(self.total, (self.step // self.every + 1) * self.every)
        first, wall, cpu = self.step, time.perf_counter(), time.process_time()
        pending = []
        for step in range(self.step, end):
            pending.append(self.steps.train(*self.batch(step)))
        losses = np.array([float(loss) for loss, _ in pending])
        correct = sum(int(count) for _, count in pending)
        train_wall, train_cpu = time.perf_counter() - wall, time.process_time() - cpu
        self.step = end
        self.trace += losses[: max(0, TRACE - first)].tolist()
        self.steps.settle()
        rows = [
            Row("train_loss", float(losses.mean())),
            Row("train_accuracy", correct / (len(pending) * self.run.recipe.batch)),
            Row("learning_rate", self.rate(end - 1)),
        ]
        if self.run.recipe.evaluate:
            loss, accuracy = self.test()
            rows += [Row("test_loss", loss), Row("test_accuracy", accuracy)]
        diverged = (
            int(first + np.flatnonzero(~np.isfinite(losses))[0]) if not np.isfinite(losses).all() else None
        )
        rows += self._take("interval")
        if end == self.total or diverged is not None:
            rows += self._take("end")
        self.steps.unsettle()
        return {
            "step": end,
            "epoch": self.epoch,
            "diverged_at": diverged,
            "rows": self._placed(rows),
            "train_seconds": train_wall,
            "train_cpu_seconds": train_cpu,
            "wall_seconds": time.perf_counter() - wall,
            "cpu_seconds": time.process_time() - cpu,
        }

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        (rate,) = self.run.recipe.learning_rates
        return rate_number(step, recipe=self.run.recipe, rate=rate, total=self.total)

    def test(self) -> tuple[float, float]:
        """Mean loss and accuracy on the test images."""
        x, y = self.images.x_test, self.images.y_test
        loss, correct = 0.0, 0
        for start in range(0, len(x), TEST_BATCH):
            part = slice(start, start + TEST_BATCH)
            one, count = self.steps.evaluate(x[part], y[part])
            loss, correct = loss + float(one) * len(y[part]), correct + int(count)
        return loss / len(y), correct / len(y)

    def _placed(self, rows: list[Row]) -> list[list]:
        here = self.step if self.run.recipe and self.run.recipe.record_every else self.epoch
        return [[row.metric, here if row.x is None else row.x, _number(row.value)] for row in rows]

    def placed_start(self) -> list[list]:
        """The rows of `begin`, as they are written down."""
        return self._placed(self.begin())

    def _take(self, when: str) -> list[Row]:
        hooks = [hook for hook in self.run.hooks if hook.when == when]
        if not hooks:
            return []
        context = Context(
            model=self.model,
            images=self.images,
            seed=self.run.seed,
            step=self.step,
            epoch=self.epoch,
            loss=self.run.recipe.loss if self.run.recipe else None,
            build=self._build,
        )
        return [row for hook in hooks for row in measurements.take(hook, context)]

    def _build(self, name: str, **options: Any) -> keras.Model:
        return build_model(name, images=self.images, seed=self.run.seed, **options)

    def variables(self) -> list:
        """Every variable that a resumed run needs, in a fixed order."""
        return [*self.model.variables, *self.steps.optimizer.variables]

    def weights(self) -> dict[str, np.ndarray]:
        """The model's weights, numbered in the order of `model.get_weights()`."""
        return {f"{index:04d}": value for index, value in enumerate(self.model.get_weights())}

    def state(self) -> dict[str, np.ndarray]:
        """Everything a resumed run needs, as arrays."""
        self.steps.settle()
        arrays = {f"variable{i}": np.asarray(v.value) for i, v in enumerate(self.variables())}
        return {"step": np.array(self.step), "trace": np.array(self.trace), **arrays}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go back to a saved state.

        Raises:
            ValueError: It is not of this run's model.
        """
        variables = self.variables()
        if len(state) != len(variables) + 2:
            raise ValueError(f"the checkpoint holds {len(state) - 2} variables, the run has {len(variables)}")
        for index, variable in enumerate(variables):
            variable.assign(state[f"variable{index}"])
        self.step, self.trace = int(state["step"]), state["trace"].tolist()
        self.steps.unsettle()

    def weights_sha256(self) -> str:
        """Hash of the model's variables: equal exactly where all bits are."""
        digest = hashlib.sha256()
        for variable in self.model.variables:
            digest.update(np.ascontiguousarray(np.asarray(variable.value)).tobytes())
        return digest.hexdigest()


def shift_flip(images: np.ndarray, drawn: np.ndarray, *, background: float) -> np.ndarray:
    """Shift each image and mirror some.

    Args:
        images: Of shape (n, height, width, channels).
        drawn: Integers of shape (n, 3): shift down and right, from 0 to twice the reach (an eighth of the
            height), and whether to mirror.
        background: What is shifted in.
    """
    reach = max(1, images.shape[1] // 8)
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)), constant_values=background)
    windows = np.lib.stride_tricks.sliding_window_view(padded, images.shape[1:3], axis=(1, 2))
    shifted = windows[np.arange(len(images)), drawn[:, 0], drawn[:, 1]].transpose(0, 2, 3, 1)
    return np.ascontiguousarray(np.where(drawn[:, 2, None, None, None] == 1, shifted[:, :, ::-1], shifted))


def _number(value: float) -> float | str:
    """JSON has no word for what is not finite; a string keeps it."""
    value = float(value)
    return value if math.isfinite(value) else str(value)
