"""The grammar of placements: rows are parsed once, wrong ones are refused, and every rule follows from the row."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from zoo.placement import LAYOUT, NOTHING, PLAIN, RESIDUAL, STEM, ResidualOrdering, Row, Steps

ROOT = Path(__file__).resolve().parent.parent

# Written by hand. ordering: row; built in; bias superfluous in the unit, in a chain; pooling may move; first; owed.
RULES = {
    "conv_act": ("conv act", True, False, False, True, "conv act", ""),
    "conv_norm_act": ("conv norm act", False, True, True, True, "conv norm act", ""),
    "conv_act_norm": ("conv act norm", True, False, False, False, "conv act norm", ""),
    "norm_act_conv": ("norm act conv", False, False, True, False, "conv", "norm act"),
    "act_conv_norm": ("act conv norm", False, True, True, False, "conv norm", "act"),
}
# Rows that nobody has named.
OWN = {
    "conv": ("conv", False, False, False, False, "conv", ""),
    "norm conv act": ("norm conv act", True, False, False, True, "norm conv act", ""),
    "act norm conv": ("act norm conv", False, False, False, False, "conv", "act norm"),
    "norm conv norm act": ("norm conv norm act", False, True, True, True, "norm conv norm act", ""),
    "norm act conv norm": ("norm act conv norm", False, True, True, False, "conv norm", "norm act"),
    "act conv act": ("act conv act", False, False, False, True, "conv act", "act"),
}


def rules(row):
    return (
        str(row),
        row.obstacle is None,
        row.makes_bias_superfluous,
        row.makes_bias_superfluous_in_a_chain,
        row.ends_activated,
        str(row.after_entry),
        str(row.entry),
    )


def test_the_plain_orderings_are_five():
    assert list(PLAIN) == list(RULES)


@pytest.mark.parametrize("words", [*RULES, *OWN])
def test_rules_follow_from_the_row(words):
    row = PLAIN[words] if words in PLAIN else Row.of(words)
    assert rules(row) == (RULES | OWN)[words]
    assert row.is_pre_activation == bool((RULES | OWN)[words][-1])


@pytest.mark.parametrize(
    ("words", "obstacle"),
    [
        ("conv act", None),
        ("conv act norm", None),
        ("norm conv act", None),
        ("conv norm act", "BatchNormalization between convolution and activation"),
        ("norm act conv", "an activation before a convolution"),
        ("act conv act", "an activation before a convolution"),
        ("conv act norm act", "two activations into one convolution"),
        ("conv norm", "an activation into a row that has none"),
    ],
)
def test_why_a_row_has_no_builtin_form(words, obstacle):
    assert Row.of(words).obstacle == obstacle


def test_words_may_be_parted_by_any_blanks():
    assert Row.of(" act  conv\tnorm\n") == Row.of("act conv norm") == PLAIN["act_conv_norm"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("conv relu", "'relu' is no operation; a row is made of the words 'conv', 'norm', 'act'."),
        ("Conv act", "'Conv' is no operation; a row is made of the words 'conv', 'norm', 'act'."),
        ("conv,act", "'conv,act' is no operation; a row is made of the words 'conv', 'norm', 'act'."),
        ("conv pool", "'pool' is added when a net is built; a row has no place for it."),
        ("conv(act)", "'conv(act)' is added when a net is built; a row has no place for it."),
        ("norm act", "a row has exactly one 'conv', and 'norm act' has none."),
        ("", "a row has exactly one 'conv', and '' has none."),
        ("conv act conv", "a row has exactly one 'conv', and 'conv act conv' has 2."),
        ("conv conv conv", "a row has exactly one 'conv', and 'conv conv conv' has 3."),
    ],
)
def test_a_wrong_row_is_refused(words, text):
    with pytest.raises(ValueError) as error:
        Row.of(words)
    assert str(error.value) == text
    with pytest.raises(ValueError):
        Row(tuple(words.split()))


def test_what_stands_without_convolution_is_checked_too():
    assert Steps.of("norm act").ops == ("norm", "act")
    with pytest.raises(ValueError, match="'nrom' is no operation"):
        ResidualOrdering.of(each="conv norm act", last="conv", after_addition="nrom act")
    with pytest.raises(ValueError, match="exactly one 'conv'"):
        ResidualOrdering.of(each="norm act", last="conv")


def test_steps_with_their_activation_built_in_or_left_out_and_with_pooling():
    row = Row.of("norm conv act")
    assert str(row.built_in()) == "norm conv(act)"
    assert str(row.unactivated()) == str(row.built_in().unactivated()) == "norm conv"
    assert str(row.pooled("act_pool")) == "norm conv act pool"
    assert str(row.pooled("pool_act")) == "norm conv pool act"
    assert str(Row.of("conv norm act").built_in()) == "conv norm act"
    assert str(Row.of("act conv norm").pooled("act_pool")) == "act conv norm pool"
    assert row.activates and row.built_in().activates and not row.unactivated().activates
    assert not NOTHING and not NOTHING.activates


# He et al. 2016, figure 4, in words. ordering: (basic unit, bottleneck unit, owed, stem that leaves the rest to unit 1,
# projection is normalised).
FIGURE_4 = {
    "original": (
        "conv norm act | conv norm | add act",
        "conv norm act | conv norm act | conv norm | add act",
        "",
        "conv norm act",
        True,
    ),
    "bn_after_addition": (
        "conv norm act | conv | add norm act",
        "conv norm act | conv norm act | conv | add norm act",
        "",
        "conv norm act",
        False,
    ),
    "relu_before_addition": (
        "conv norm act | conv norm act | add",
        "conv norm act | conv norm act | conv norm act | add",
        "",
        "conv norm act",
        True,
    ),
    "relu_only_pre_activation": (
        "act conv norm | act conv norm | add",
        "act conv norm | act conv norm | act conv norm | add",
        "act",
        "conv norm",
        True,
    ),
    "full_pre_activation": (
        "norm act conv | norm act conv | add",
        "norm act conv | norm act conv | norm act conv | add",
        "norm act",
        "conv",
        False,
    ),
}


def test_residual_orderings_are_those_of_figure_4():
    found = {
        name: (
            ordering.words(2),
            ordering.words(3),
            str(ordering.entry),
            str(ordering.stem(activates=False)),
            ordering.normalises_projection,
        )
        for name, ordering in RESIDUAL.items()
    }
    assert found == FIGURE_4
    for ordering in RESIDUAL.values():
        assert str(ordering.stem(activates=True)) == str(STEM) == "conv norm act"
        assert ordering.is_pre_activation == bool(ordering.entry)
        assert str(ordering) == ordering.words(2)


def test_an_activation_after_the_addition_is_never_built_in():
    assert ResidualOrdering.of(each="conv act", last="conv", after_addition="act").obstacle == (
        "an addition between convolution and activation"
    )
    assert ResidualOrdering.of(each="conv act", last="conv act").obstacle is None


def test_orderings_are_listed_by_kind():
    assert zoo.orderings("plain") == PLAIN and zoo.orderings("residual") == RESIDUAL
    zoo.orderings("plain").clear()
    assert len(PLAIN) == 5
    for kind in ("mlp", None, ["plain"]):
        with pytest.raises(ValueError) as error:
            zoo.orderings(kind)
        assert str(error.value) == f"kind={kind!r} is not known; expected one of 'plain', 'residual'."


def test_every_layout_decides_for_both_sides_or_says_that_it_has_one():
    # What torchvision calls V2 is a recipe.
    assert [layout for layout, (_, pre) in LAYOUT.items() if pre is None] == ["torchvision"]
    for rows in LAYOUT.values():
        assert rows[0].stem_activates
        for row in filter(None, rows):
            assert row.bias in ("none", "all", "outer") and row.pool_border in ("zero", "minus_infinity")


# What reads a row again as text has the grammar twice.
SURGERY = re.compile(
    r"removeprefix\(|removesuffix\(|startswith\(|endswith\(|\.split\(|\"(act|norm|conv)\" (not )?in "
)


def test_rows_are_read_in_one_place():
    built = [ROOT / "zoo" / f"{name}.py" for name in ("blocks", "models", "cards")]
    checked = sorted((ROOT / "zoo" / "spec").rglob("*.py"))
    assert len(checked) > 10
    for path in built + checked:
        lines = path.read_text().splitlines()
        found = [line.strip() for line in lines if SURGERY.search(line)]
        # Names of nets and of pooling layers are no rows; a user's row is split once, to see whether it is a name.
        allowed = ("spec.name", "spec.downsampling", "unit.ordering.split()")
        assert [line for line in found if not any(word in line for word in allowed)] == [], path
    for path in sorted((ROOT / "zoo").glob("*.py")) + checked:
        # The catalog names the default of a net, weights.py the file of Keras that has this or that one; options.py
        # lists them for type checkers, and tests/test_options.py compares the list with the rows.
        if path.name in ("placement.py", "catalog.py", "weights.py", "options.py"):
            continue
        for line in path.read_text().splitlines():
            named = [name for name in (*PLAIN, *RESIDUAL) if f'"{name}"' in line]
            # Docstrings and examples may name one; so may a default, which is checked like any other value.
            assert not named or ">>>" in line or "`" in line or f'= "{named[0]}"' in line, (
                f"{path.name}: {line}"
            )


NEW_ROW = """
import json, zoo
from zoo.site import from_catalog, from_graph
out = {"file": zoo.placement.__file__, "orderings": str(zoo.orderings("plain")["act_conv"])}
for name in ("convnet2", "plain8", "mlp"):
    model = zoo.build(name, ordering="act_conv", input_shape=(8, 8, 3), width=2)
    out[name] = [type(layer).__name__ for layer in model.layers]
out["card"] = zoo.describe("convnet2", ordering="act_conv", input_shape=(8, 8, 3), width=2).placement
out["diagram"] = "plain-act_conv" in from_graph.diagrams() and "</svg>" in from_graph.draw_diagram("plain-act_conv")
rows = [row for row in from_catalog.options()["rows"] if row["value"] == "act_conv"]
out["options"] = [not row["families"]["convnet"] for row in rows]
try:
    zoo.build("convnet2", ordering="act_conv", form="builtin")
except ValueError as error:
    out["refused"] = str(error)
try:
    zoo.build("convnet2", ordering="conv")
except ValueError as error:
    out["listed"] = "'act_conv'" in str(error)
print(json.dumps(out))
"""


@pytest.mark.always
def test_adding_an_ordering_is_one_row(tmp_path):
    shutil.copytree(ROOT / "zoo", tmp_path / "zoo", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "zoo" / "placement.py"
    text = file.read_text()
    row = '    act_conv_norm="act conv norm",\n'
    assert text.count(row) == 1
    file.write_text(text.replace(row, row + '    act_conv="act conv",\n'))
    done = subprocess.run(
        [sys.executable, "-c", NEW_ROW], cwd=tmp_path, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout.splitlines()[-1])
    assert out.pop("file") == str(file)
    assert out == {
        "orderings": "act conv",
        "convnet2": "InputLayer Conv2D Activation Conv2D MaxPooling2D Activation Flatten Dense Activation".split(),
        "plain8": (
            "InputLayer Conv2D Activation Conv2D Activation Conv2D Activation ZeroPadding2D Conv2D Activation Conv2D "
            "Activation ZeroPadding2D Conv2D Activation Conv2D Activation GlobalAveragePooling2D Dense Activation"
        ).split(),
        "mlp": "InputLayer Flatten Dense Activation Dense Activation Dense Activation".split(),
        "card": "act conv",
        "diagram": True,
        "options": [True],
        "refused": (
            "form='builtin' cannot put an activation before a convolution (ordering='act_conv'); use form='separate'."
        ),
        "listed": True,
    }
