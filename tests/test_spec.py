"""A spec as data: frozen, every field documented, depth and stride from the fields; and it needs no backend."""

import dataclasses
import re
import subprocess
import sys

import pytest

from zoo import units
from zoo.catalog import specify
from zoo.spec import OPTIONS, ModelSpec, words


def test_spec_is_frozen_keyword_only_and_hashable():
    spec = specify("resnet20")
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.classes = 3
    with pytest.raises(TypeError):
        ModelSpec("resnet20")
    assert hash(spec) == hash(specify("resnet20")) and spec == specify("resnet20")


def test_every_field_is_documented_and_an_option_or_part_of_the_name():
    attributes = ModelSpec.__doc__.split("Attributes:")[1]
    names = [line.split(":")[0].strip() for line in attributes.splitlines() if ": " in line]
    assert names == [field.name for field in dataclasses.fields(ModelSpec)]
    assert set(names) - set(OPTIONS) == {"name", "family", "stem", "stages"}


@pytest.mark.parametrize(
    ("documented", "argument", "words"),
    [
        (ModelSpec, "layout", words.LAYOUTS),
        (ModelSpec, "shortcut", words.SHORTCUTS),
        (ModelSpec, "downsampling", words.WAYS_DOWN),
        (ModelSpec, "block", words.BLOCKS),
        (units.residual_unit, "layout", words.LAYOUTS),
        (units.residual_unit, "shortcut", words.SHORTCUTS),
        (units.residual_unit, "block", words.BLOCKS),
    ],
)
def test_help_has_every_word_that_an_option_may_be(documented, argument, words):
    text = re.split(rf"\n +{argument}: ", documented.__doc__)[1]
    text = re.split(r"\n +\w+: |\n\n", text)[0]
    assert set(words) <= set(re.findall(r'`"(\w+)"`', text))


@pytest.mark.parametrize(
    ("name", "options", "depth", "stride"),
    [
        ("mlp", {}, 3, 1),
        ("convnet", {}, 4, 4),
        ("convnet", {"downsampling": "stride"}, 4, 4),
        ("convnet", {"downsampling": "none"}, 4, 1),
        ("convnet5", {}, 5, 4),
        ("vgg16", {}, 16, 32),
        ("plain20", {}, 20, 4),
        ("resnet20", {}, 20, 4),
        ("resnet164", {}, 164, 4),
        ("resnet1202", {}, 1202, 4),
        ("resnet18", {}, 18, 32),
        ("resnet152v2", {}, 152, 32),
    ],
)
def test_depth_and_stride(name, options, depth, stride):
    spec = specify(name, **options)
    assert (spec.depth, spec.total_stride) == (depth, stride)


@pytest.mark.parametrize("module", ["zoo", "zoo.placement", "zoo.spec", "zoo.naming", "zoo.catalog"])
def test_importing_imports_no_backend(module):
    code = (
        f"import sys, {module}, zoo; zoo.list_models();"
        "print([m for m in ('keras', 'tensorflow', 'jax', 'numpy') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
