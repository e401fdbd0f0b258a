"""Names become specs; a name or an option that is not known gets the nearest ones."""

import dataclasses
import inspect

import keras
import numpy as np
import pytest

import zoo
from zoo import catalog
from zoo.catalog import OWN_NONE, lookup, register, specify
from zoo.spec import OPTIONS, ModelSpec

NAMES = [
    "convnet",
    *(f"convnext{size}" for size in ("base", "large", "small", "tiny", "xlarge")),
    *(f"densenet{d}" for d in (100, 121, 169, 201, 40)),
    "mlp",
    *(f"mobilenetv2{alpha}" for alpha in ("", "_0.35", "_0.5", "_0.75", "_1.3", "_1.4")),
    *(f"plain{d}" for d in (110, 20, 32, 44, 56)),
    "repvgg",
    *sorted(
        f"resnet{d}{v}"
        for d in (20, 32, 44, 56, 110, 164, 1001, 1202, 18, 34, 50, 101, 152, 200)
        for v in ("", "v2")
    ),
    *(f"vgg{d}" for d in (11, 13, 16, 19)),
    "wrn16_4",
    "wrn28_10",
    "xception",
]


def test_the_catalog_holds_every_net_that_was_promised():
    assert zoo.list_models() == NAMES


def test_patterns():
    assert zoo.list_models("vgg*") == ["vgg11", "vgg13", "vgg16", "vgg19"]
    assert zoo.list_models("resnet5?v2") == ["resnet50v2", "resnet56v2"]
    assert zoo.list_models("ResNet*") == []
    with pytest.raises(TypeError) as error:
        zoo.list_models(3)
    assert str(error.value) == "pattern must be a string such as 'resnet*', received 3."


@pytest.mark.parametrize(
    ("name", "block", "stages", "kind"),
    [
        ("resnet8", None, (1, 1, 1), "basic"),
        ("resnet26", None, (4, 4, 4), "basic"),
        ("resnet29", None, (3, 3, 3), "bottleneck"),  # 9n+2 alone
        ("resnet38", None, (6, 6, 6), "basic"),  # both fit
        ("resnet38", "bottleneck", (4, 4, 4), "bottleneck"),
        ("resnet164", None, (18, 18, 18), "bottleneck"),  # both fit; as in the literature
        ("resnet164", "basic", (27, 27, 27), "basic"),
        ("resnet272", None, (30, 30, 30), "bottleneck"),
        ("resnet542v2", None, (60, 60, 60), "bottleneck"),
        ("resnet110", None, (18, 18, 18), "basic"),
        ("resnet110", "bottleneck", (12, 12, 12), "bottleneck"),
        ("resnet20", "bottleneck", (2, 2, 2), "bottleneck"),
        ("resnet50", None, (3, 4, 6, 3), "bottleneck"),  # the catalog's name wins over 6n+2
        ("resnet152", None, (3, 8, 36, 3), "bottleneck"),
        ("resnet200", None, (3, 24, 36, 3), "bottleneck"),
        ("resnet18", None, (2, 2, 2, 2), "basic"),
    ],
)
@pytest.mark.parametrize("form_of_none", [{}, {"block": None}])
def test_depth_by_name(name, block, stages, kind, form_of_none):
    spec = specify(name, **(form_of_none if block is None else {"block": block}))
    assert (spec.stages, spec.block) == (stages, kind)
    digits = name.removeprefix("resnet").removesuffix("v2")
    assert spec.depth == int(digits)


@pytest.mark.parametrize(
    ("name", "stages"), [("plain8", (2, 2, 2)), ("convnet6", (6,)), ("mlp1", (1,)), ("mlp5", (5,))]
)
def test_other_families_by_depth(name, stages):
    assert specify(name).stages == stages


@pytest.mark.parametrize(("name", "options"), [("resnet20", {}), ("resnet50", {"block": "bottleneck"})])
def test_v2_in_a_name_means_full_pre_activation_and_nothing_else(name, options):
    v1, v2 = specify(name, **options), specify(f"{name}v2", **options)
    differences = {f for f in vars(v1) if getattr(v1, f) != getattr(v2, f)}
    assert differences == {"name", "ordering"}
    assert v2.ordering == "full_pre_activation"


def test_none_asks_for_the_default_of_the_net():
    everything = {o: None for o in OPTIONS if o not in OWN_NONE}
    for name in (
        *"resnet20 resnet50v2 vgg16 convnet mlp plain20".split(),
        *"mobilenetv2 convnexttiny wrn16_4".split(),
    ):
        assert specify(name, **everything) == specify(name)
    assert specify("resnet20", activation=None).activation is None
    assert specify("resnet20", classifier_activation=None).classifier_activation is None


def test_parameters_of_a_shortcut_have_the_papers_values():
    spec = specify("resnet20", shortcut="constant_scaling")
    assert (spec.shortcut_scale, spec.branch_scale, spec.gate_bias, spec.dropout_rate) == (
        0.5,
        0.5,
        None,
        None,
    )
    assert specify("resnet20", shortcut="exclusive_gating").gate_bias == -6.0
    assert specify("resnet20", shortcut="shortcut_only_gating", gate_bias=0).gate_bias == 0
    assert specify("resnet20", shortcut="dropout").dropout_rate == 0.5


def test_a_list_is_a_shape():
    assert specify("resnet20", input_shape=[16, 16, 1]).input_shape == (16, 16, 1)


UNKNOWN = [
    ("resnet2O", "model 'resnet2O' is not known. The nearest names are 'resnet32', 'resnet20', "),
    ("Resnet50", "model 'Resnet50' is not known. The nearest names are 'resnet50', "),
    ("vgg12", "model 'vgg12' is not known. The nearest names are 'vgg19', 'vgg16', 'vgg13', 'vgg11'. "),
    ("inceptionv3", "model 'inceptionv3' is not known. "),
    ("", "model '' is not known. zoo.list_models() lists them all."),
    (
        "resnet21",
        "model 'resnet21': depth 21 fits no resnet, whose depths are 6n+2 (basic) or 9n+2 (bottleneck). The nearest are "
        "'resnet18', 'resnet20', 'resnet26'.",
    ),
    (
        "resnet2",
        "model 'resnet2': depth 2 fits no resnet, whose depths are 6n+2 (basic) or 9n+2 (bottleneck). ",
    ),
    ("resnet0", "model 'resnet0': depth 0 fits no resnet, "),
    ("resnet020", "model 'resnet020' is not known. The nearest names are "),
    (
        "resnet21v2",
        "model 'resnet21v2': depth 21 fits no resnet, whose depths are 6n+2 (basic) or 9n+2 (bottleneck).",
    ),
    ("plain21", "model 'plain21': depth 21 fits no plain, whose depths are 6n+2 (basic). The nearest are "),
    ("resnet" + "9" * 30, f"model 'resnet{'9' * 30}': depth 9"),  # says so at once
    ("plain20v2", "model 'plain20v2' is not known: only a resnet has a v2. Use 'plain20'."),
    ("mlp0", "model 'mlp0': a mlp needs at least one layer; the nearest is 'mlp1'."),
]


@pytest.mark.parametrize(("name", "text"), UNKNOWN)
@pytest.mark.parametrize("through", [specify, zoo.build, zoo.describe])
def test_unknown_name(name, text, through):
    with pytest.raises(ValueError) as error:
        through(name)
    assert str(error.value).startswith(text)


@pytest.mark.parametrize("name", [None, 20, ["resnet20"], b"resnet20"])
def test_name_that_is_no_text(name):
    with pytest.raises(TypeError) as error:
        zoo.build(name)
    assert str(error.value) == f"name must be a string such as 'resnet20v2', received {name!r}."


def test_the_nearest_depths_can_be_built():
    for depth in range(60):
        for name in (f"resnet{depth}", f"resnet{depth}v2", f"plain{depth}"):
            try:
                specify(name)
            except ValueError as error:
                near = [part for part in str(error).split("'") if part.startswith(("resnet", "plain"))][1:]
                assert len(near) == 3
                for other in near:
                    specify(other)


@pytest.mark.parametrize("depth", [20, 23, 29])
def test_block_that_does_not_fit_the_depth(depth):
    block = {20: None, 23: "basic", 29: "basic"}[depth]
    if block is None:
        assert specify("resnet20", block=block).block == "basic"
        return
    with pytest.raises(ValueError) as error:
        specify(f"resnet{depth}", block=block)
    assert str(error.value).startswith(
        f"model 'resnet{depth}': depth {depth} fits no resnet, whose depths are 6n+2 (basic)."
    )
    near = str(error.value).split("The nearest are ")[1]
    for name in (part for part in near.split("'") if part.startswith("resnet")):
        assert specify(name, block=block).block == block


def test_block_of_an_imagenet_net_is_part_of_its_name():
    assert specify("resnet50", block="bottleneck").block == "bottleneck"
    with pytest.raises(ValueError) as error:
        specify("resnet50", block="basic")
    assert str(error.value) == (
        "block='basic': resnet50 is the ImageNet net with bottleneck units, by its name; leave block out, or choose a "
        "depth that no ImageNet net has."
    )


@pytest.mark.parametrize(
    ("option", "setting"), [("dtype", "set_dtype_policy"), ("data_format", "set_image_data_format")]
)
def test_what_keras_sets_is_no_option(option, setting):
    with pytest.raises(
        TypeError, match=f"^'{option}' is not an option of zoo.build; it is a.*keras.config.{setting}"
    ):
        zoo.build("resnet20", **{option: "float16"})


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("activaton", "did you mean activation"),
        ("nonsense", "the options are "),
        ("orderings", "did you mean ordering"),
    ],
)
@pytest.mark.parametrize("through", [specify, zoo.build, zoo.describe])
def test_unknown_option(option, hint, through):
    with pytest.raises(TypeError) as error:
        through("resnet20", **{option: 3})
    text = str(error.value)
    assert text.startswith(f"{option!r} is not an option of zoo.build; {hint}")
    assert text.endswith(f"he options are {', '.join(OPTIONS)}.")


@pytest.mark.parametrize(
    ("option", "instead"),
    [
        ("depth", "the name of the net says it, such as 'resnet44'"),
        ("stages", "dataclasses.replace"),
        ("stem", "dataclasses.replace"),
        ("pretrained", "weights= takes"),
    ],
)
def test_what_is_said_otherwise_is_no_option(option, instead):
    with pytest.raises(TypeError) as error:
        zoo.build("resnet20", **{option: 3})
    text = str(error.value)
    assert text.startswith(f"{option!r} is not an option of zoo.build; ") and instead in text
    assert "did you mean" not in text


@pytest.mark.usefixtures("shapes_alone")
def test_stages_of_ones_own():
    spec = dataclasses.replace(specify("resnet20"), name="mine", stages=(1, 2, 1))
    assert spec.depth == 2 * (1 + 2 + 1) + 2
    adds = [layer.name for layer in zoo.assemble(spec).layers if layer.name.endswith("_add")]
    assert adds == ["stage1_unit1_add", "stage2_unit1_add", "stage2_unit2_add", "stage3_unit1_add"]


@pytest.mark.parametrize("ask", [zoo.build, specify, zoo.describe])
def test_a_spec_in_the_place_of_a_name_is_led_to_assemble(ask):
    with pytest.raises(TypeError, match=r"received the ModelSpec of 'resnet20'; zoo\.assemble builds a spec"):
        ask(specify("resnet20"))


def test_a_name_is_registered_once():
    spec = specify("resnet8v2", width=4)
    for taken in ("resnet20", "vgg16", "mlp"):
        with pytest.raises(ValueError) as error:
            register(taken, spec)
        assert str(error.value) == f"model {taken!r} is in the catalog already; choose another name."
    register("mine", spec)
    with pytest.raises(ValueError, match="model 'mine' is in the catalog already"):
        register("mine", spec)


def test_a_registered_net_is_like_any_other():
    spec = zoo.specify(
        "resnet8v2", width=4, activation="gelu", input_shape=(8, 8, 1), classes=3, classifier_activation=None
    )
    zoo.register("mine", spec)
    assert "mine" in zoo.list_models() and zoo.list_models("mi*") == ["mine"]
    assert zoo.specify("mine") == dataclasses.replace(spec, name="mine")
    net = zoo.build("mine")
    assert (net.name, net.input_shape, net.output_shape) == ("mine", (None, 8, 8, 1), (None, 3))
    assert net.count_params() == zoo.assemble(spec).count_params()
    assert net.get_layer("head_act").activation is keras.activations.gelu
    # The options are defaults; those of zoo.build still win.
    assert zoo.build("mine", classes=5, activation="relu").output_shape == (None, 5)
    card = zoo.describe("mine")
    assert (card.name, card.reference) == ("mine", lookup("resnet8v2").reference)
    assert zoo.features("mine", tap="before_act").output["stage1"].shape == (None, 8, 8, 4)
    with pytest.raises(ValueError, match="The nearest names are 'mine'"):
        zoo.build("mime")


@pytest.mark.parametrize("origin", ["mlp", "convnet", "vgg11", "plain8", "resnet8", "resnet50", "resnet18v2"])
def test_every_family_can_be_registered(origin):
    spec = specify(origin, width=4)
    register("mine", spec)
    assert specify("mine") == dataclasses.replace(spec, name="mine")
    assert lookup("mine").preprocessing == lookup(origin).preprocessing


def test_a_spec_made_by_hand_can_be_registered_and_scaled_as_it_says():
    spec = ModelSpec(
        name="by hand", family="convnet", stages=(2,), width=4, ordering="conv_act", layout="he2016",
        downsampling="stride", pooling_order="act_pool", input_shape=(8, 8, 3),
    )  # fmt: skip
    register("mine", spec, reference="my thesis", preprocessing="tf")
    assert lookup("mine").reference == "my thesis"
    assert zoo.preprocess_input("mine", np.full((1, 8, 8, 3), 255.0)).max() == 1.0
    assert zoo.preprocess_input("mine", np.zeros((1, 8, 8, 3))).min() == -1.0
    register("other", spec)
    assert (lookup("other").reference, lookup("other").preprocessing) == ("not published", "unit")


def test_options_of_a_registered_net_can_be_taken_back():
    scaled = specify("resnet8", width=4, shortcut="constant_scaling", shortcut_scale=0.3, pooling=None)
    register("scaled", scaled)
    assert specify("scaled").shortcut_scale == 0.3
    assert specify("scaled", shortcut="projection").shortcut_scale is None
    register("body", specify("resnet8", width=4, include_top=False, pooling="avg"))
    assert specify("body", include_top=True, pooling=None).pooling is None


def test_weights_of_a_registered_net_are_loaded():
    zoo.register("clothes", zoo.specify("convnet", weights="fashion_mnist"))
    ours, theirs = zoo.build("clothes"), zoo.build("convnet", weights="fashion_mnist")
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert specify("clothes", weights=None).weights is None


@pytest.mark.parametrize(
    ("name", "options"),
    [("convnexttiny", {}), ("convnexttiny", {"layout": "cifar"}), ("mobilenetv2_0.35", {})],
)
@pytest.mark.usefixtures("shapes_alone")
def test_layers_of_a_registered_net_keep_their_names(name, options):
    """Weights are found by them, whatever the net is called."""
    spec = zoo.specify(name, width=4, **options)
    zoo.register("one", spec)
    zoo.register("another", zoo.specify("one", classes=3))
    expected = [layer.name for layer in zoo.assemble(spec).layers]
    for called in ("one", "another"):
        assert [layer.name for layer in zoo.build(called).layers] == expected


def test_classes_of_a_registered_net_stay_with_published_weights():
    zoo.register("five", zoo.specify("resnet50", classes=5))
    zoo.register("of_five", zoo.specify("five"))
    for name in ("five", "of_five"):
        assert specify(name, weights="imagenet").classes == 5
        assert specify(name, weights="imagenet", classes=7).classes == 7
    zoo.register("of_nobody", zoo.specify("resnet50"))  # nobody chose how many classes
    assert specify("of_nobody", weights="imagenet").classes == 1000
    zoo.register("published", zoo.specify("resnet50", weights="imagenet"))
    assert specify("published").classes == specify("resnet50", weights="imagenet").classes == 1000


def test_a_registered_net_has_the_published_weights_that_its_origin_has():
    zoo.register("thin", zoo.specify("convnexttiny", width=4))
    with pytest.raises(ValueError, match=r"^weights='imagenet' fit width=96 only, received width=4"):
        zoo.build("thin", weights="imagenet")


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ((3, specify("resnet8")), TypeError, "name must be a string such as 'mine', received 3"),
        (
            ("", specify("resnet8")),
            ValueError,
            "name='': the name of a net is made of letters, digits and",
        ),
        (("a/b", specify("resnet8")), ValueError, "name='a/b': the name of a net is"),
        (
            ("resnet26", specify("resnet8")),
            ValueError,
            "name='resnet26' is taken: a family followed by a number",
        ),
        (("convnet3", specify("resnet8")), ValueError, "Choose a name such as 'my_convnet3'"),
        (("resnet21v2", specify("resnet8")), ValueError, "name='resnet21v2' is taken"),
        (("mine", "resnet8"), TypeError, "spec must be a ModelSpec such as zoo.specify.*received 'resnet8'"),
        (("mine", lookup("resnet8")), TypeError, "spec must be a ModelSpec"),
        (("mine", None), TypeError, "spec must be a ModelSpec"),
        (("my_v2", specify("resnet8")), ValueError, "contradicts the name 'my_v2', in which v2 means"),
    ],
    ids=str,
)
def test_what_cannot_be_registered(arguments, kind, text):
    before = dict(catalog.MODELS)
    with pytest.raises(kind, match=text):
        register(*arguments)
    assert before == catalog.MODELS


def test_a_reference_is_words():
    with pytest.raises(TypeError, match=r"^reference must be a string or None, received 2015"):
        register("mine", specify("resnet8"), reference=2015)


def test_a_range_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="preprocessing='jax' is not known; expected one of 'unit', 'tf'"):
        register("mine", specify("resnet8"), preprocessing="jax")


def test_units_of_a_registered_net_are_part_of_it():
    register("mine", specify("resnet20", width=4))
    assert specify("mine", block="basic").block == "basic"
    with pytest.raises(ValueError, match="block='bottleneck': 'mine' is registered with basic units"):
        specify("mine", block="bottleneck")


# ------------------------------------------------------------ the data format


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize("name", ["resnet20", "resnet50", "convnet", "vgg16", "plain8", "mlp"])
def test_default_shapes_follow_the_data_format(name, channels_first):
    assert specify(name).input_shape == (3, 32, 32)
    assert specify(name, input_shape=(1, 28, 40)).input_shape == (1, 28, 40)


def test_default_shapes_of_shipped_and_registered_nets_follow_the_data_format():
    register("mine", specify("resnet8", input_shape=(16, 24, 1)))
    register("flat", specify("mlp", input_shape=(7,)))
    assert specify("mine").input_shape == (16, 24, 1)
    keras.config.set_image_data_format("channels_first")
    try:
        assert specify("mine").input_shape == (1, 16, 24)
        assert specify("flat").input_shape == (7,)
        assert specify("convnet", weights="fashion_mnist").input_shape == (1, 28, 28)
        register("theirs", specify("resnet8", input_shape=(1, 16, 24)))
        assert specify("theirs").input_shape == (1, 16, 24)
        assert zoo.describe("resnet8").input_shape == (3, 32, 32)
    finally:
        keras.config.set_image_data_format("channels_last")
    assert specify("theirs").input_shape == (16, 24, 1)


def test_signature_of_build_shows_every_option_with_its_default():
    shown = inspect.signature(zoo.build).parameters
    assert [*shown] == ["model", "name", "input_tensor", *OPTIONS]
    assert shown["classes"].default == ModelSpec.__dataclass_fields__["classes"].default == 10
    assert inspect.signature(zoo.build).return_annotation is keras.Model


@pytest.mark.parametrize("given", [{"name": "resnet20"}, {"model": "resnet20"}, {}, {"classes": 3}], ids=str)
def test_a_call_without_the_name_of_a_net_says_where_it_goes(given):
    with pytest.raises(TypeError) as error:
        zoo.build(**given)
    shown = "nothing" if "classes" in given else next((f"{k}='resnet20'" for k in given), "nothing")
    assert str(error.value) == (
        f"the name of the net comes first and without a keyword, received {shown}: zoo.build('resnet20'). "
        "name= is what the Keras model is called; zoo.list_models() lists the nets."
    )


def test_public_names():
    assert {
        "build",
        "register",
        "specify",
        "features",
        "assemble",
        "describe",
        "list_models",
        "preprocess_input",
        "ModelSpec",
    } <= set(dir(zoo))
    with pytest.raises(AttributeError, match="module 'zoo' has no attribute 'bild'; it has ModelSpec, "):
        zoo.bild  # noqa: B018


@pytest.mark.parametrize(
    ("name", "options"), [("wrn13_2", {"convolutions": 3}), ("wrn10_1", {"convolutions": 1}), ("wrn16_2", {})]
)
def test_what_is_built_of_other_units_is_described_and_registered(name, options):
    card = zoo.describe(name, **options)
    assert card.reference.startswith("Zagoruyko")
    assert card.parameters == zoo.build(name, **options).count_params()
    register("mine", specify(name, **options))
    assert zoo.describe("mine").reference == card.reference


def test_v2_says_something_of_residual_nets_alone():
    register("letters_v2", specify("convnet2"))
    assert zoo.build("letters_v2").name == "letters_v2"
    with pytest.raises(ValueError, match="contradicts the name 'mine_v2', in which v2 means"):
        register("mine_v2", specify("resnet8"))


@pytest.mark.parametrize("name", [" mine", "a*b", "mine!", "", "a/b", "my net"])
def test_signs_that_no_name_has(name):
    with pytest.raises(ValueError, match="the name of a net is made of letters, digits and '_'"):
        register(name, specify("resnet8"))


def test_a_name_in_other_capitals_is_taken():
    with pytest.raises(ValueError, match="'ResNet20' differs from 'resnet20' in its capitals alone"):
        register("ResNet20", specify("resnet8"))
    for name in ("ResNet26", "WRN22_8", "MobileNetV2_0.9"):
        with pytest.raises(ValueError, match=f"'{name}' is taken: a family followed by a number"):
            register(name, specify("resnet8"))
