"""The experiments as data: they ask, they build, they say what they cost and what to expect; and their
measurements measure."""

import itertools
import json
import math
from pathlib import Path

import keras
import numpy as np
import pytest

from zoo.catalog import specify
from zoo.experiments.data.sets import Images
from zoo.experiments.design.experiment import Continuation, Hook, canonical, quick
from zoo.experiments.design.plan import run_of, seeds_of
from zoo.experiments.design.study import PHOTOGRAPHS, world_of
from zoo.experiments.measurements import (
    Context,
    algebra,
    head,
    layout,
    merge,
    pooling,
    resolve,
    signal,
    take,
    units,
)
from zoo.experiments.training.loop import Training, build_model
from zoo.models import smallest_input
from zoo.placement import RESIDUAL
from zoo.probes import activation_stats
from zoo.studies import STUDIES

DOCS = Path(__file__).resolve().parents[2] / "docs"
EXPERIMENTS = STUDIES.experiments()
# A unit is like the next: the deep nets of an arm are built at a depth that costs a second.
SHALLOW = {"plain56": "plain20", "resnet56": "resnet20", "resnet191": "resnet65", "resnet1001": "resnet65"}
SHALLOW |= {"plain110": "plain20", "resnet110": "resnet20"}


def images(side=14, count=40):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, side, side, 1)).astype("float32")
    y = (np.arange(count) % 10).astype("int32")
    return Images(x_train=x, y_train=y, x_test=x, y_test=y, classes=10, sha256="")


def context(model=None, seed=0, **changes):
    pictures = images()

    def build(name, **options):
        return build_model(name, images=pictures, seed=seed, **options)

    return Context(
        **{
            "model": model,
            "images": pictures,
            "seed": seed,
            "step": 0,
            "epoch": 0.0,
            "loss": None,
            "build": build,
            **changes,
        }
    )


def last(rows):
    return {row.metric: row.value for row in rows}


def builds():
    """Every different net of the catalog, once; the deepest measured ones cut, since a unit is like the next.

    Of the nets on photographs, the full width of those on small images, one of each function and experiment; the others
    among the deep tests: their options are read by `test_deep_names_are_legal`.
    """
    found, marks = {}, {}
    for experiment in EXPERIMENTS:
        again = set()
        for arm in experiment.arms:
            if arm.model is None or isinstance(arm, Continuation):
                continue
            options = {**experiment.options, **arm.options}
            if "units" in options:
                options["units"] = 3
            size = experiment.data_of(arm).size or 28
            model = SHALLOW.get(arm.model, arm.model)
            key = (model, canonical(options), size)
            found.setdefault(key, f"{experiment.name}: {arm.label}")
            if world_of(experiment) == PHOTOGRAPHS and (":" not in model or model in again):
                marks.setdefault(key, (pytest.mark.deep,))
            else:
                marks[key] = ()
            again.add(model)
    return [pytest.param(*key, id=label, marks=marks[key]) for key, label in found.items()]


@pytest.mark.parametrize("study", STUDIES.studies(), ids=lambda s: s.name)
def test_a_study_is_explained_by_a_page(study):
    for page in (study.explained, *(claim.page for claim in study.claims if claim.page)):
        assert (DOCS / f"{page}.md").exists(), page


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.name)
def test_it_asks_costs_expects_and_is_repeated(experiment):
    assert experiment.question.endswith("?")
    assert 0 < experiment.cost < 24 * 60
    assert experiment.expectations, "what does the literature, or algebra, say?"
    for expectation in experiment.expectations:
        assert expectation.source and expectation.value
        assert expectation.measured and expectation.why
    assert len(experiment.seeds) >= 5 or experiment.seeds_reason
    assert experiment.figures and all(figure.title for figure in experiment.figures)
    small = quick(experiment)
    assert len(small.arms) <= len(experiment.arms) and len(small.seeds) <= 2


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.name)
def test_hooks_exist(experiment):
    for arm in experiment.arms:
        for hook in (*experiment.hooks, *arm.hooks):
            assert callable(resolve(hook.name))


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.name)
def test_figures_draw_factors_that_arms_have(experiment):
    for figure in experiment.figures:
        arms = [arm for arm in experiment.arms if not figure.arms or arm.label in figure.arms]
        for factor in filter(None, (getattr(figure, "x", ""), getattr(figure, "panel", ""))):
            assert any(factor in arm.factors for arm in arms), f"{figure.name}: no arm has {factor!r}"


@pytest.mark.parametrize("model, options, size", builds())
def test_every_arm_builds(model, options, size):
    with keras.StatelessScope(initialize_variables=False):  # weights are most of the time
        net = build_model(model, images=images(side=size, count=10), seed=0, **json.loads(options))
    assert net.output_shape == (None, 10)
    keras.backend.clear_session()


def test_deep_names_are_legal():
    for experiment in EXPERIMENTS:
        for arm in experiment.arms:
            if arm.model and ":" not in arm.model:
                size = experiment.data_of(arm).size or 28
                options = {**experiment.options, **arm.options, "input_shape": (size, size, 1)}
                assert smallest_input(specify(arm.model, **options)) <= size, arm.label


def test_depth_ordering_and_shortcut_share_their_runs():
    def runs(name):
        experiment = STUDIES.lookup(name)
        return {
            canonical(run_of(experiment, arm, seed, backend="tensorflow", rate=0.05))
            for arm in experiment.arms
            for seed in seeds_of(experiment, arm)
        }

    assert len(runs("depth") & runs("ordering")) == 2 * 3 * 5
    assert len(runs("ordering") & runs("shortcut")) == 2 * 5
    # On photographs an arm that stands in several experiments is trained once, too.
    for depth, name in ((20, "depth_photographs"), (56, "depth_photographs"), (110, "depth_110")):
        assert len(runs(name) & runs(f"ordering_{depth}")) == 2 * 3
    assert len(runs("depth_photographs") & runs("depth_110")) == 3  # the plain net of 8 layers
    assert len(runs("depth_photographs") & runs("norm_order_photographs")) == 3
    for depth, seeds in ((20, 5), (56, 3)):
        assert len(runs(f"shortcut_{depth}") & runs(f"ordering_{depth}")) == seeds
    assert len(runs("norm_free") & runs("ordering_20")) == 5
    assert len(runs("norm_free_56") & runs("ordering_56")) == 3


@pytest.mark.parametrize("activation, activations", [(None, 3 * 2 + 2), ("relu6", 3 * 2 + 2 + 3)])
def test_only_the_narrow_layer_of_an_inverted_residual_varies(activation, activations):
    """At an expansion of 1 a unit has no first convolution, as in the paper's first unit."""

    def net(**options):
        return build_model(
            "zoo.experiments.nets:inverted_residuals",
            images=images(side=16, count=10),
            seed=0,
            **{"units": 1, "width": 4, "narrow_activation": activation, **options},
        )

    names = [layer.name for layer in net(expansion=3).layers]
    assert sum(name.endswith("_act") for name in names) == activations
    assert ("stage1_unit1_project_act" in names) is (activation is not None)
    assert not any("expand" in layer.name for layer in net(expansion=1).layers)


def test_a_strided_net_without_activation_collapses_into_one_layer():
    """The measurement at the end of its training; where it fails, an hour of training is lost."""
    experiment = STUDIES.lookup("why_photographs")
    arm = experiment.arm("4 conv, none")
    pictures = images(side=16)
    model = build_model(arm.model, images=pictures, seed=0, **{**experiment.options, **arm.options})
    (hook,) = arm.hooks
    rows = last(take(hook, context(model, images=pictures)))
    assert rows["same_predictions"] == 1 and rows["collapse_error"] < 1e-5


class TestMerge:
    @pytest.mark.parametrize("branches", merge.UNITS)
    def test_a_sum_merges_where_it_is_affine_and_has_one_kernel(self, branches):
        from zoo.studies.merge import BENT, MERGE

        rows = last(merge.unit(context(), branches))
        assert rows["merged"] == (branches in MERGE)
        assert (rows["affine_error"] > 0.01) == (branches in BENT)
        if branches in MERGE:
            assert rows["largest_difference"] < 1e-5
            assert rows["convolutions_after"] == 1 <= rows["convolutions_before"]
        else:
            assert rows["convolutions_after"] == rows["convolutions_before"]

    def test_it_comes_out_the_same_when_it_is_made_again(self):
        one, other = ([row.value for row in merge.unit(context(), "gate")] for _ in range(2))
        assert one == other

    def test_a_whole_net_has_its_times_and_sizes(self, monkeypatch):
        monkeypatch.setattr(merge, "ROUNDS", 1)
        options = {"net": "repvgg", "stages": (1, 2), "width": 4}
        rows = last(merge.net(context(), "zoo.experiments.nets:staged", options, images=2))
        assert rows["kept"] == 0 < rows["additions"] == rows["convolutions_after"]
        assert rows["parameters_after"] < rows["parameters_before"] and rows["time_ratio"] > 0


def test_the_arm_in_float32_is_one_of_the_orderings():
    def runs(name):
        experiment = STUDIES.lookup(name)
        return {canonical(run_of(experiment, a, 0, backend="tensorflow", rate=0.1)) for a in experiment.arms}

    assert len(runs("precision") & runs("ordering_20")) == 1


def test_a_net_in_mixed_bfloat16_begins_as_in_float32_and_leaves_the_policy_alone():
    options = {"classifier_activation": None, "width": 2, "ordering": "full_pre_activation"}
    pictures = images(side=8, count=10)
    name = "zoo.experiments.nets:mixed_bfloat16"
    mixed = build_model(name, net="resnet8", images=pictures, seed=3, **options)
    single = build_model("resnet8", images=pictures, seed=3, **options)
    assert all(map(np.array_equal, mixed.get_weights(), single.get_weights()))
    *computing, classifier = mixed.layers
    assert {layer.compute_dtype for layer in computing if layer.weights} == {"bfloat16"}
    assert {weight.dtype for weight in mixed.weights} == {"float32"}
    ours, theirs = (keras.ops.convert_to_numpy(net(pictures.x_train[:4])) for net in (mixed, single))
    assert (classifier.compute_dtype, ours.dtype) == ("float32", "float32")
    assert 0 < np.abs(ours - theirs).max() < 0.1 * np.abs(theirs).max()
    with pytest.raises(ValueError, match="resnet9999"):
        build_model(name, net="resnet9999", images=pictures, seed=3, **options)
    assert keras.config.dtype_policy().name == "float32"


def test_a_quick_run_of_one():
    experiment = quick(STUDIES.lookup("algebra"))
    for arm in experiment.arms:
        rows = Training(run_of(experiment, arm, 0, backend="tensorflow")).placed_start()
        assert rows and all(isinstance(value, float) for _, _, value in rows)


def test_a_training_arm_measures_through_training():
    experiment = quick(STUDIES.lookup("dead"))
    arm = experiment.arm("relu, no BN, rate 0.05")
    training = Training(run_of(experiment, arm, 0, backend="tensorflow"))
    before = {metric for metric, _, _ in training.placed_start()}
    line = training.advance()
    assert before == {"dead_units", "zero_fraction", "silent_fraction"} <= {m for m, _, _ in line["rows"]}
    assert math.isfinite(line["rows"][0][2])


class TestUnits:
    def test_a_unit_is_dead_when_zero_everywhere_on_all_images(self):
        inputs = keras.Input((14, 14, 1))
        conv = keras.layers.Conv2D(4, 1, kernel_initializer="ones", name="c")
        outputs = keras.layers.Activation("relu", name="c_act")(conv(inputs))
        model = keras.Model(inputs, outputs)
        conv.set_weights([conv.get_weights()[0], np.array([0, 0, -100, 100], "float32")])
        rows = last(units.dead(context(model)))
        assert rows["dead_units"] == 0.25
        # Two channels are cut at zero of a symmetric sample, one is dead, one is never zero.
        assert rows["zero_fraction"] == pytest.approx((0.5 + 0.5 + 1 + 0) / 4, abs=0.01)
        assert rows["silent_fraction"] == 0.25

    @pytest.mark.parametrize("model", ["convnet", "resnet8", "mlp"])
    def test_a_dead_unit_is_what_the_probe_of_the_library_calls_so(self, model):
        """One name, one meaning: the laboratory publishes the probe's count as a share."""
        net = build_model(model, images=images(), seed=3, width=4, classifier_activation=None)
        for layer in net.layers:  # many units never fire
            if getattr(layer, "bias", None) is not None:
                layer.bias.assign(np.where(np.arange(layer.bias.shape[0]) % 2, -50.0, 0.5))
            if hasattr(layer, "beta"):
                layer.beta.assign(np.where(np.arange(layer.beta.shape[0]) % 2, -50.0, 0.5))
        rows = activation_stats(net, images().x_test)
        share = sum(row["dead_units"] for row in rows) / sum(row["units"] for row in rows)
        assert last(units.dead(context(net)))["dead_units"] == share > 0.2

    @pytest.mark.parametrize(
        "options, said",
        [({"form": "builtin"}, "built into other layers"), ({"activation": None}, "has none")],
    )
    def test_what_has_no_activation_layers_is_refused(self, options, said):
        net = build_model(
            "convnet",
            images=images(),
            seed=0,
            width=4,
            classifier_activation=None,
            ordering="conv_act",
            **options,
        )
        with pytest.raises(ValueError, match=said):
            list(units.dead(context(net)))

    def test_a_net_that_diverged_has_no_dead_units_to_count(self):
        inputs = keras.Input((14, 14, 1))
        outputs = keras.layers.Activation("relu", name="c_act")(
            keras.layers.Conv2D(2, 1, bias_initializer=keras.initializers.Constant(math.nan))(inputs)
        )
        assert all(
            math.isnan(value) for value in last(units.dead(context(keras.Model(inputs, outputs)))).values()
        )


class TestSignal:
    def one_stage(self, **options):
        return build_model(
            "zoo.experiments.nets:one_stage", images=images(), seed=0, classifier_activation=None, **options
        )

    def test_one_unit_a_row_and_the_last_gradient_is_one(self):
        model = self.one_stage(family="resnet", units=5, width=4, ordering="full_pre_activation")
        rows = list(signal.propagation(context(model)))
        variance = {row.x: row.value for row in rows if row.metric == "variance"}
        gradient = {row.x: row.value for row in rows if row.metric == "gradient_norm"}
        assert list(variance) == list(gradient) == [1, 2, 3, 4, 5]
        assert gradient[5] == pytest.approx(1)
        assert variance[5] > variance[1]  # branches add up

    @pytest.mark.parametrize("ordering", RESIDUAL)
    def test_a_residual_unit_ends_where_its_ordering_does(self, ordering):
        model = self.one_stage(family="resnet", units=3, width=4, ordering=ordering)
        ops = list(RESIDUAL[ordering].after_addition)
        end = f"_{ops[-1]}" if ops else ""
        assert [t._keras_history.operation.name for t in signal._units(model)] == [
            f"stage1_unit{k}_add{end}" for k in (1, 2, 3)
        ]

    @pytest.mark.parametrize(
        ("ordering", "end"), [("conv_act", "act"), ("conv_norm_act", "act"), ("conv_act_norm", "norm")]
    )
    def test_a_plain_unit_ends_with_what_follows_its_convolution(self, ordering, end):
        model = self.one_stage(family="plain", units=3, width=4, ordering=ordering)
        assert [t._keras_history.operation.name for t in signal._units(model)] == [
            f"stage1_conv{k}_{end}" for k in (1, 2, 3)
        ]

    def test_layers_are_found_whatever_they_are_called(self):
        model = self.one_stage(family="resnet", units=2, width=4, ordering="original")
        taken = iter("abcdefghijklmnopqrstuvwxyz")

        def renamed(layer):
            return layer.from_config(layer.get_config() | {"name": next(taken)})

        other = keras.models.clone_model(model, clone_function=renamed)
        other.set_weights(model.get_weights())
        first, second = (
            {layer.name for layer in net.layers[1:]} for net in (model, other)
        )  # but for the input
        assert not first & second
        assert list(signal.propagation(context(other))) == list(signal.propagation(context(model)))

    def test_glorot_halves_what_relu_lets_through(self):
        scaled = {
            "class_name": "VarianceScaling",
            "config": {"scale": 1.0, "mode": "fan_in", "distribution": "untruncated_normal"},
        }
        model = build_model(
            "mlp11",
            images=images(),
            seed=0,
            width=256,
            kernel_initializer=scaled,
            classifier_activation=None,
        )
        rows = [row for row in signal.shape_of_values(context(model)) if row.metric == "mean_square"]
        halvings = np.log2([a.value / b.value for a, b in itertools.pairwise(rows)])
        assert np.mean(halvings) == pytest.approx(1, abs=0.15)

    def test_measuring_leaves_the_moving_statistics_alone(self):
        model = self.one_stage(family="plain", units=3, width=4)
        before = [w.copy() for w in model.get_weights()]
        list(signal.during_training(context(model)))
        assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))

    def test_gains_are_those_of_the_literature(self):
        from zoo.studies.signal import GAINS

        for name, gain in GAINS.items():
            assert last(signal.gain(context(), name))["gain"] == pytest.approx(gain, abs=2e-4), name


class TestHead:
    def test_logits_are_exact_at_any_size(self):
        rows = list(head.extreme_logits(context(), "logits", "float32"))
        assert max(row.value for row in rows if row.metric == "loss_error") < 1e-6
        assert all(row.value == 1 for row in rows if row.metric == "gradient" and row.x >= 20)

    def test_probabilities_are_clipped_and_lose_their_gradient(self):
        rows = {(r.metric, r.x): r.value for r in head.extreme_logits(context(), "probabilities", "float32")}
        assert rows["loss", 1000] == pytest.approx(-math.log(1e-7), abs=1e-2)
        assert rows["gradient", 1000] == 0

    def test_by_hand_overflows(self):
        rows = {(r.metric, r.x): r.value for r in head.extreme_logits(context(), "by hand", "float16")}
        assert math.isfinite(rows["loss", 8]) and not math.isfinite(rows["loss", 12])

    def test_an_unknown_route_is_refused(self):
        with pytest.raises(ValueError, match="route must be"):
            list(head.extreme_logits(context(), "luck", "float32"))


@pytest.mark.parametrize(
    "downsampling, activation, equal",
    [("max_pool", "relu", 1), ("max_pool", "silu", 0), ("average_pool", "relu", 0)],
)
def test_pooling_commutes_with_what_never_falls(downsampling, activation, equal):
    rows = last(
        pooling.order(context(), downsampling=downsampling, activation=activation, width=4, images=10)
    )
    assert rows["equal_to_the_bit"] == equal
    assert (rows["largest_difference"] == 0) == bool(equal)
    assert rows["time_ratio"] > 0


def test_two_layouts_are_one_graph_behind_a_cifar_stem():
    rows = last(
        layout.same_graph(
            context(),
            model="resnet11v2",
            options={"block": "bottleneck", "width": 4, "shortcut": "projection"},
            layout="timm",
            layouts=["he2016", "kerashub", "timm"],
        )
    )
    assert (rows["same_graph_as_he2016"], rows["same_graph_as_kerashub"], rows["same_graph_as_timm"]) == (
        0,
        1,
        1,
    )


class TestAlgebra:
    def test_convolution(self):
        rows = last(algebra.convolution(context()))
        assert rows["superposition_error"] < 1e-5
        assert rows["parameters"] == 3 * 3 * 3 * 16 + 16 == rows["parameters_at_twice_the_size"]
        assert (rows["default_is_none"], rows["shift_difference"]) == (1, 0)

    def test_activation(self):
        rows = last(algebra.activation(context()))
        assert rows["values"] == rows["values_out"] == 2700
        assert rows["moved_elsewhere"] == 0

    def test_relu_nets_are_straight_and_others_are_not(self):
        relu, tanh = (last(algebra.pieces(context(), f)) for f in ("relu", "tanh"))
        assert relu["straight_fraction"] > 0.99 > 0.01 > tanh["straight_fraction"]
        assert 0 < relu["kinks"] < 1000
        assert relu["growth"] == pytest.approx(2, abs=1e-3)
        assert keras.config.floatx() == "float32"


def test_a_measurement_must_return_rows(monkeypatch):
    monkeypatch.setattr(algebra, "activation", lambda context: [3])
    with pytest.raises(TypeError, match="must return Row"):
        list(take(Hook(name="algebra.activation"), context()))
