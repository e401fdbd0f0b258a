#!/usr/bin/env python
"""Ask the originals: the nets of timm, torchvision and KerasHub, and ours from the same files.

    scripts/witness.py [NET ...] [--again]     compare, write docs/data/witness.json and the tables of the page
    scripts/witness.py --tables                only the tables, from the data
    scripts/witness.py --fixture               only tests/originals.json, what small originals compute

Needs the extra witness: pip install -e ".[witness]". NET is LIBRARY/NAME, such as timm/resnetv2_50. Each original gets
drawn weights (batch normalisation too), saves them to a file, and computes two batches in float64; zoo.build loads the file
and computes them in float32. The data is written after each net, so that a run that was stopped goes on where it was.
About ten minutes on one core; the VGGs want 6 GB of memory.
"""

import argparse
import dataclasses
import importlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import time
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

DATA = ROOT / "docs" / "data" / "witness.json"
SNIPPETS = ROOT / "docs" / "snippets"
FIXTURE = ROOT / "tests" / "originals.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Witness:
    """An original, and how the zoo builds it.

    Attributes:
        library: Whose net it is.
        original: What the library calls it.
        ours: What the zoo calls it.
        options: The options of `zoo.build` that make it that net.
        sizes: Sides of the images that are compared, one of them odd.
    """

    library: str
    original: str
    ours: str
    options: dict
    sizes: tuple[int, ...] = (64, 97)

    @property
    def key(self) -> str:
        """What the commands and the data call it."""
        return f"{self.library}/{self.original}"

    @property
    def file(self) -> str:
        """How its file is called; a pickle where that costs least."""
        if self.library == "keras_hub":
            return "net.weights.h5"
        return "net.pth" if self.original == "resnet18" else "net.safetensors"

    def batches(self) -> list[tuple[tuple, tuple[int, ...]]]:
        """Shapes of the input of our net, and the sizes that a net of each shape computes."""
        if self.ours.startswith("vgg"):  # the size is part of a net that flattens
            return [((size, size, 3), (size,)) for size in self.sizes]
        return [((None, None, 3), self.sizes)]


def _witnesses() -> list[Witness]:
    found = []
    depths = (18, 34, 50, 101, 152)
    for library, v2 in (("torchvision", None), ("timm", "resnetv2_{}"), ("keras_hub", "resnetv2_{}")):
        options = {"layout": library.replace("_", "")}
        for pattern, suffix in (("resnet{}", ""), (v2, "v2")):
            for depth in depths if pattern else ():
                found.append(
                    Witness(
                        library=library,
                        original=pattern.format(depth),
                        ours=f"resnet{depth}{suffix}",
                        options=options,
                    )
                )
    for depth in (11, 13, 16, 19):
        for suffix, ordering in (("", "conv_act"), ("_bn", "conv_norm_act")):
            found.append(
                Witness(
                    library="torchvision",
                    original=f"vgg{depth}{suffix}",
                    ours=f"vgg{depth}",
                    options={"layout": "torchvision", "ordering": ordering},
                    sizes=(224, 225),  # their dense layers read 7 x 7 maps
                )
            )
    return found


WITNESSES = {witness.key: witness for witness in _witnesses()}

# Width 4 at a sixteenth of the channels, so that the file of what they compute is small; KerasHub fixes its first width.
SMALL = (
    *("torchvision/resnet18", "torchvision/resnet50", "torchvision/vgg11", "torchvision/vgg11_bn"),
    *("timm/resnet18", "timm/resnetv2_18", "timm/resnetv2_50"),
)
NARROWER, CLASSES = 16, 5
SMALL_HUB = {"keras_hub/resnet18": (1, 1), "keras_hub/resnetv2_50": (1, 1)}


# ------------------------------------------------- weights and images


def drawn(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers that follow from a name and a shape, on every machine: of `RandomState` NumPy promises the stream."""
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, "int64")
    values = np.random.RandomState(zlib.crc32(name.encode())).random_sample(shape)
    values *= 2
    values -= 1
    kind = name.replace("/", ".").split(".")[-1]
    if kind in ("image", "running_var", "moving_variance"):
        values = values / 2 + 1 if kind != "image" else values
    elif len(shape) > 1:
        values *= np.sqrt(6 / (np.prod(shape[:-1]) if kind == "kernel" else np.prod(shape[1:])))
    elif kind in ("weight", "gamma"):
        # Of both signs: behind a positive gain nobody sees whether a pooling comes before it or after it.
        values += 0.5
    else:
        values *= 0.3
    return values.astype("float32")


def images(size: int) -> np.ndarray:
    """Two images of three channels; of large ones, one."""
    return drawn(f"{size}.image", (1 if size > 200 else 2, size, size, 3))


def narrowed(shape: tuple[int, ...], divisor: int) -> tuple[int, ...]:
    """The shape of a tensor in a net of fewer channels; the colours of the image and the classes stay."""
    kept = (3, CLASSES)
    return tuple(n if n in kept or axis > 1 else n // divisor for axis, n in enumerate(shape))


# --------------------------------------------------------- originals


def torch_net(witness: Witness, classes: int, divisor: int = 1):
    """A net of timm or torchvision with drawn weights, for inference."""
    import torch

    torch.set_num_threads(1)
    with torch.device("meta"):
        if witness.library == "timm":
            net = importlib.import_module("timm").create_model(witness.original, num_classes=classes)
        else:
            models = importlib.import_module("torchvision").models
            net = models.get_model(witness.original, num_classes=classes)
        for module in net.modules() if divisor > 1 else ():
            held = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
            for key, tensor in held:
                if tensor.ndim:
                    setattr(module, key, type(tensor)(torch.empty(narrowed(tuple(tensor.shape), divisor))))
    state = {name: torch.from_numpy(drawn(name, tuple(t.shape))) for name, t in net.state_dict().items()}
    net.load_state_dict(state, assign=True)
    return net.eval()


def torch_outputs(net, sizes) -> dict[int, np.ndarray]:
    import torch

    net = net.double()
    with torch.no_grad():
        return {
            size: net(torch.from_numpy(images(size)).double().permute(0, 3, 1, 2)).numpy() for size in sizes
        }


def hub_net(witness: Witness, stages: tuple[int, ...]):
    """A backbone of KerasHub with drawn weights, in float64."""
    import keras_hub

    from zoo.catalog import specify

    spec = specify(witness.ours, **witness.options)
    net = keras_hub.models.ResNetBackbone(
        input_conv_filters=[spec.width],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[spec.width * 2**k for k in range(len(stages))],
        stackwise_num_blocks=list(stages),
        stackwise_num_strides=[1] + [2] * (len(stages) - 1),
        block_type=f"{spec.block}_block",
        use_pre_activation=spec.is_pre_activation,
        dtype="float64",
    )
    for layer in net.layers:
        layer.set_weights([drawn(f"{layer.name}/{w.name}", tuple(w.shape)) for w in layer.weights])
    return net


def keras_outputs(net, sizes) -> dict[int, np.ndarray]:
    import keras

    return {
        size: keras.ops.convert_to_numpy(net(keras.ops.convert_to_tensor(images(size), net.compute_dtype)))
        for size in sizes
    }


def difference(theirs: dict[int, np.ndarray], ours: dict[int, np.ndarray]) -> dict[int, float]:
    """The largest difference at each size, relative to the largest output."""
    return {
        size: float(f"{np.abs(theirs[size] - ours[size]).max() / np.abs(theirs[size]).max():.2g}")
        for size in theirs
    }


# --------------------------------------------------------- comparing


def look(witness: Witness, folder: Path) -> dict:
    """One original and ours, from one file."""
    import zoo

    path = folder / witness.file
    if witness.library == "keras_hub":
        options = {"include_top": False}
        net = hub_net(witness, zoo.specify(witness.ours).stages)
        net.save_weights(path)
        parameters = sum(int(np.prod(w.shape)) for w in net.trainable_weights)
        theirs = keras_outputs(net, witness.sizes)
    else:
        options = {"classes": 1000}
        parameters, theirs = asked(witness, folder)
    outputs: dict[int, np.ndarray] = {}
    for shape, sizes in witness.batches():
        ours = build(witness.ours, path, input_shape=shape, **witness.options, **options)
        trainable = sum(int(np.prod(w.shape)) for w in ours.trainable_weights)
        if trainable != parameters:
            sys.exit(f"error: {witness.key} has {parameters} parameters, ours {trainable}")
        outputs |= keras_outputs(ours, sizes)
    path.unlink()
    return {
        "ours": witness.ours,
        "options": witness.options,
        "version": importlib.metadata.version(witness.library.replace("_", "-")),
        "file": witness.file.partition(".")[1] + witness.file.partition(".")[2],
        "parameters": parameters,
        "differences": difference(theirs, outputs),
    }


def save(net, path: Path) -> None:
    """The state dict of a net of PyTorch, in the format that the ending names."""
    if path.suffix == ".pth":
        import torch

        torch.save(net.state_dict(), path)
    else:
        from safetensors.torch import save_file

        save_file(net.state_dict(), path)


def asked(witness: Witness, folder: Path) -> tuple[int, dict[int, np.ndarray]]:
    """The parameters of an original and what it computes, from a process of its own; its file is in the folder then."""
    # Two frameworks in one process share libraries, and not all of their versions go together.
    subprocess.run([sys.executable, __file__, "--ask", str(folder), witness.key], check=True)
    with np.load(folder / "theirs.npz") as held:
        return int(held["parameters"]), {size: held[str(size)] for size in witness.sizes}


def ask(witness: Witness, folder: Path) -> None:
    """What `asked` asks for."""
    net = torch_net(witness, 1000)
    save(net, folder / witness.file)
    parameters = sum(p.numel() for p in net.parameters())
    outputs = torch_outputs(net, witness.sizes)
    np.savez(folder / "theirs.npz", parameters=parameters, **{str(size): y for size, y in outputs.items()})


def build(name: str, path: Path | None, **options):
    """The zoo's net with the weights of a file; logits, for softmax hides differences."""
    import zoo

    return zoo.build(name, classifier_activation=None, weights=path, **options)


# ----------------------------------- how the originals differ from each other

# The layouts that are compared by what they make of one file of weights.
COMPARED = ("torchvision/resnet50", "timm/resnetv2_50")
# Where the activation comes after the convolution, a layout has nothing to decide there.
OF_PRE_ACTIVATION = ("stem_activates", "projection_reads")
# What single decisions of a layout may be instead.
DECISIONS = {
    "stem_activates": (True,),
    "projection_reads": ("raw",),
    "stride_at": ("first", "last_unit"),
    "explicit_padding": ("never",),
    "pool_border": ("zero",),
    "epsilon": (1.001e-5, 1e-3),
}


def compare_layouts(witness: Witness, folder: Path) -> dict:
    """The weights of one original in every layout, and in its own with one decision changed."""
    from zoo import placement

    path = folder / witness.file
    asked(witness, folder)
    options = {"input_shape": (None, None, 3), "classes": 1000, "shortcut": "projection"}
    mine = witness.options["layout"]
    original = build(witness.ours, path, layout=mine, **options)
    path.unlink()
    expected = keras_outputs(original, witness.sizes)
    pre = witness.ours.endswith("v2")
    own = placement.LAYOUT[mine][pre]

    def same_weights(layout):
        net = build(witness.ours, None, layout=layout, **options)
        transfer(original, mine, net, layout, witness.ours)
        return difference(expected, keras_outputs(net, witness.sizes))

    layouts = []
    for layout, rows in placement.LAYOUT.items():
        if layout == mine or rows[pre] is None or layout == "keras_cifar10":  # the last has no ImageNet stem
            continue
        left_out = ("momentum",) if pre else ("momentum", *OF_PRE_ACTIVATION)
        names = [field.name for field in dataclasses.fields(own) if field.name not in left_out]
        both = {name: (getattr(own, name), getattr(rows[pre], name)) for name in names}
        layouts.append(
            {
                "layout": layout,
                "differs": {name: pair for name, pair in both.items() if pair[0] != pair[1]},
                "differences": same_weights(layout),
            }
        )
    decisions = []
    for field, values in DECISIONS.items():
        for value in values:
            if value == getattr(own, field) or (
                not pre and (field in OF_PRE_ACTIVATION or value == "last_unit")
            ):
                continue
            with decided(mine, pre, **{field: value}):
                decisions.append({"field": field, "value": value, "differences": same_weights(mine)})
    return {"layouts": layouts, "decisions": decisions}


@contextmanager
def decided(layout: str, pre: bool, **changes):
    """The layout with one decision changed."""
    from zoo import placement

    before = placement.LAYOUT[layout]
    rows = list(before)
    rows[pre] = dataclasses.replace(rows[pre], **changes)
    placement.LAYOUT[layout] = tuple(rows)
    try:
        yield
    finally:
        placement.LAYOUT[layout] = before


def roles(name: str, layout: str) -> list[str]:
    """The layers of a residual net in one order, whatever the layout calls them."""
    import zoo
    from zoo.models import residual_units
    from zoo.naming import KerasResNetNames, ZooNames

    spec = zoo.specify(name)
    names = KerasResNetNames(spec.is_pre_activation) if layout == "keras" else ZooNames()
    found = [names.stem, names.norm(names.stem)]
    for unit in residual_units(spec):
        called = names.unit(unit.stage, unit.index)
        for k in (1, 2, 3):
            conv = names.branch(called, k)
            found += [conv, names.norm(conv)]
        found += [names.shortcut(called, "conv"), names.shortcut(called, "norm")]
    return [*found, names.norm(names.head), names.classifier]


def transfer(source, layout: str, target, other: str, name: str) -> None:
    """The weights of one net into a net of another layout; a bias that the source has not is zero."""
    theirs = dict(zip(roles(name, other), roles(name, layout), strict=True))
    held = {layer.name: {w.name: np.asarray(w) for w in layer.weights} for layer in source.layers}
    for layer in target.layers:
        if not layer.weights:
            continue
        found = held.get(theirs[layer.name], {})
        if not found and layer.name == "stem_conv_norm":
            # Here the stem does what the first unit begins with there.
            found = held["stage1_unit1_conv1_norm"]
        layer.set_weights([found.get(w.name, np.zeros(w.shape)) for w in layer.weights])


# ------------------------------------------------------------- fixture


def small(key: str) -> dict:
    """What a small original computes, and what its file holds; its weights follow from the names."""
    witness = WITNESSES[key]
    sizes = witness.sizes if witness.ours.startswith("vgg") else (32, 45)
    if witness.library == "keras_hub":
        stages = SMALL_HUB[key]
        net = hub_net(witness, stages)
        tensors = {f"{x.name}/{w.name}": tuple(w.shape) for x in net.layers for w in x.weights}
        outputs = {size: y.mean(axis=(1, 2))[:, :CLASSES] for size, y in keras_outputs(net, sizes).items()}
        options = {"include_top": False, "pooling": "avg"}
        return {"stages": stages} | _small(witness, tensors, outputs, options)
    net = torch_net(witness, CLASSES, NARROWER)
    tensors = {name: tuple(t.shape) for name, t in net.state_dict().items()}
    options = {"classes": CLASSES, "width": 64 // NARROWER, "classifier_activation": None}
    return _small(witness, tensors, torch_outputs(net, sizes), options)


def _small(witness: Witness, tensors: dict, outputs: dict, options: dict) -> dict:
    return {
        "version": importlib.metadata.version(witness.library.replace("_", "-")),
        "ours": witness.ours,
        "options": witness.options | options,
        "tensors": tensors,
        "outputs": {size: np.round(y, 9).tolist() for size, y in outputs.items()},
    }


# --------------------------------------------------------------- tables


def percent(value: float) -> str:
    """A relative difference, as one reads it."""
    if value < 1e-3:
        return f"{value:.0e}".replace("e-0", "e-")
    return f"{100 * value:.1g} %" if value < 0.095 else f"{100 * value:.0f} %"


def witness_table(rows: dict) -> str:
    """One row an original."""
    lines = ["| original | in the zoo | file | parameters | largest difference |", "|" + " --- |" * 5]
    for key, row in rows.items():
        library, name = key.split("/")
        options = "".join(f', {option}="{value}"' for option, value in row["options"].items())
        sizes = ", ".join(f"{percent(d)} ({size} px)" for size, d in row["differences"].items())
        lines.append(
            f'| {library} {row["version"]}: `{name}` | `"{row["ours"]}"{options}` | `{row["file"]}` | {row["parameters"]:,} | {sizes} |'
        )
    return "\n".join(lines) + "\n"


def layouts_table(rows: dict) -> str:
    """One row a layout that reads weights of another."""
    lines = [
        "| weights of | read as `layout=` | what differs | outputs differ by |",
        "| --- | --- | --- | --- |",
    ]
    for key, row in rows.items():
        for other in row["layouts"]:
            what = "; ".join(f"{field}: {a} → {b}" for field, (a, b) in other["differs"].items())
            lines.append(
                f'| `{key}` | `"{other["layout"]}"` | {what or "nothing"} | {_sizes(other["differences"])} |'
            )
    return "\n".join(lines) + "\n"


def decisions_table(rows: dict) -> str:
    """One row a decision that is taken otherwise."""
    lines = ["| weights of | one decision changed | outputs differ by |", "| --- | --- | --- |"]
    for key, row in rows.items():
        for one in row["decisions"]:
            lines.append(f"| `{key}` | {one['field']}: {one['value']} | {_sizes(one['differences'])} |")
    return "\n".join(lines) + "\n"


def _sizes(differences: dict) -> str:
    return ", ".join(
        f"{percent(d)} ({size} px)" if d else f"0 ({size} px)" for size, d in differences.items()
    )


def tables(data: dict) -> dict[str, str]:
    """The parts of the page, by the names of their files."""
    return {
        "witness.md": witness_table(data["witnesses"]),
        "witness_layouts.md": layouts_table(data["layouts"]),
        "witness_decisions.md": decisions_table(data["layouts"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nets", nargs="*", metavar="NET", help="LIBRARY/NAME; all by default")
    parser.add_argument("--again", action="store_true", help="also nets that were compared before")
    parser.add_argument("--fixture", action="store_true", help="only write tests/originals.json")
    parser.add_argument("--tables", action="store_true", help="only write the tables, from the data")
    parser.add_argument("--ask", metavar="FOLDER", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.nets) - set(WITNESSES):
        parser.error(f"unknown nets {', '.join(sorted(unknown))}; known: {', '.join(WITNESSES)}")
    if arguments.ask:
        ask(WITNESSES[arguments.nets[0]], arguments.ask)
        return
    if arguments.fixture:
        made = {key: small(key) for key in (*SMALL, *SMALL_HUB)}
        FIXTURE.write_text(json.dumps(made, separators=(",", ":")) + "\n", encoding="utf-8")
        return
    data = {"witnesses": {}, "layouts": {}}
    if DATA.exists():
        data = json.loads(DATA.read_text(encoding="utf-8"))
    if not arguments.tables:
        run(data, arguments.nets or list(WITNESSES), arguments.again)
    for name, text in tables(data).items():
        (SNIPPETS / name).write_text(text, encoding="utf-8")


def run(data: dict, keys: list[str], again: bool) -> None:
    """Compare what is not compared yet."""
    import keras

    for part, action, todo in (
        ("witnesses", look, keys),
        ("layouts", compare_layouts, [key for key in COMPARED if key in keys]),
    ):
        for key in todo:
            if key in data[part] and not again:
                continue
            began = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                # As JSON has it: keys are text.
                data[part][key] = json.loads(json.dumps(action(WITNESSES[key], Path(folder))))
            keras.backend.clear_session()
            print(f"{key}, {part}: {time.perf_counter() - began:.0f} s", flush=True)
            data[part] = {k: data[part][k] for k in WITNESSES if k in data[part]}
            data["versions"] = {
                package: importlib.metadata.version(package)
                for package in (
                    "keras",
                    "tensorflow",
                    "numpy",
                    "torch",
                    "torchvision",
                    "timm",
                    "keras-hub",
                    "safetensors",
                )
            }
            DATA.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
