"""What a contender's process runs: `python -m benchmarks.worker KIND OPTIONS`, then `go` and `end` as input.

A function here gets one thing ready and returns a function that does it once, and how many steps that is.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time

THREADS = int(os.environ.get("TF_NUM_INTRAOP_THREADS", "1"))


def _images(batch, shape=(32, 32, 3), classes=10):
    import numpy as np

    rng = np.random.default_rng(0)
    return rng.normal(size=(batch, *shape)).astype("float32"), (np.arange(batch) % classes).astype("int32")


def keras_step(
    source, net, batch, jit="auto", policy=None, ahead=False, steps=1, shape=(32, 32, 3), **options
):
    """A training step of stock Keras (`source="stock"`), or of the zoo, in a dtype policy.

    With `ahead` the optimiser's variables are there before the step is traced, in the zoo's nets by `zoo.trace_once`:
    TensorFlow traces a function that makes variables twice.
    """
    import keras

    if policy:
        keras.config.set_dtype_policy(policy)
    began = time.perf_counter()
    model = make(source, net, shape, **options)
    built = time.perf_counter()
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", jit_compile=jit)
    x, y = _images(batch, shape)
    if ahead and source == "zoo":
        import zoo

        zoo.trace_once(model, y)
    elif ahead:
        optimizer.build(model.trainable_variables)
    model.train_on_batch(x, y)
    ready = {
        "build_s": built - began,
        "first_step_s": time.perf_counter() - built,
        "layers": len(model.layers),
        "parameters": model.count_params(),
        "jit_compile": bool(model.jit_compile),
    }

    def run():
        for _ in range(steps):
            model.train_on_batch(x, y)

    return run, steps, ready


def keras_fit(source, net, batch, per_execution, steps=1, shape=(32, 32, 3), **options):
    """An epoch of `fit` over 64 batches; seconds are those of one batch."""
    import keras

    model = make(source, net, shape, **options)
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        "sparse_categorical_crossentropy",
        jit_compile=False,
        steps_per_execution=per_execution,
    )
    x, y = _images(64 * batch, shape)
    began = time.perf_counter()
    model.fit(x, y, batch_size=batch, verbose=0)
    ready = {"first_step_s": time.perf_counter() - began}

    def run():
        model.fit(x, y, batch_size=batch, verbose=0)

    return run, 64, ready


# What the engine is timed on: Fashion-MNIST in full size, fifty steps and a test an epoch.
EPOCH = {"train": 3200, "test": 1000, "batch": 64}


def _fashion():
    from zoo.experiments.data.sets import load
    from zoo.experiments.design.experiment import Dataset

    return load(Dataset(name="fashion_mnist", train=EPOCH["train"], test=EPOCH["test"]))


def fit_epoch(net, source):
    """An epoch of `fit` as a user would write it, with Keras' defaults: of the stock net, or of the zoo's."""
    import keras

    images = _fashion()
    model = make(source, net, images.shape)
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )

    def run():
        model.fit(
            images.x_train,
            images.y_train,
            batch_size=EPOCH["batch"],
            validation_data=(images.x_test, images.y_test),
            verbose=0,
        )

    run()
    return run, 1, {}


def bare_epoch(net):
    """The same epoch by a loop of one's own around two compiled functions, with nothing written down."""
    import keras
    import numpy as np
    import tensorflow as tf

    images = _fashion()
    model = make("zoo", net, images.shape, classifier_activation=None)
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    optimizer.build(model.trainable_variables)

    def measure(y, outputs):
        loss = keras.losses.sparse_categorical_crossentropy(y, outputs, from_logits=True)
        hits = tf.equal(tf.argmax(outputs, axis=-1, output_type=tf.int32), tf.cast(y, tf.int32))
        return tf.reduce_mean(loss), tf.reduce_sum(tf.cast(hits, tf.int32))

    @tf.function
    def train(x, y):
        with tf.GradientTape() as tape:
            loss, correct = measure(y, model(x, training=True))
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss, correct

    @tf.function
    def evaluate(x, y):
        return measure(y, model(x, training=False))

    def run():
        order = np.random.permutation(len(images.x_train))
        seen = []
        for start in range(0, len(order), EPOCH["batch"]):
            chosen = order[start : start + EPOCH["batch"]]
            seen.append(train(images.x_train[chosen], images.y_train[chosen]))
        for start in range(0, len(images.x_test), 500):
            part = slice(start, start + 500)
            seen.append(evaluate(images.x_test[part], images.y_test[part]))
        return [(float(loss), int(correct)) for loss, correct in seen]

    run()
    return run, 1, {}


def engine_epoch(net):
    """The same epoch by the experiment engine: its line and its checkpoint written, to be resumed from."""
    import tempfile

    from zoo.experiments.design.experiment import Dataset, Recipe
    from zoo.experiments.design.plan import Run
    from zoo.experiments.running.results import RunFolder
    from zoo.experiments.training.loop import Training

    training = Training(
        Run(
            model=net,
            options={"classifier_activation": None},
            data=Dataset(name="fashion_mnist", train=EPOCH["train"], test=EPOCH["test"]),
            recipe=Recipe(learning_rates=(0.05,), schedule="constant", epochs=1000, batch=EPOCH["batch"]),
            hooks=(),
            seed=0,
            backend="tensorflow",
        )
    )
    folder = RunFolder(tempfile.mkdtemp(), "benchmark")
    claim = folder.claim()
    claim.__enter__()  # held until the process ends
    folder.restart()

    def run():
        folder.append(training.advance() | {"line": 0})
        folder.save_checkpoint(training.state() | {"lines": 1})

    run()
    return run, 1, {}


def make(source, net, shape, **options):
    """A net: the zoo's (with options), stock Keras as a user would write it, or of keras.applications."""
    import keras

    if source == "zoo":
        import zoo

        return zoo.build(net, input_shape=tuple(shape), classes=10, **options)
    if source == "applications":
        return getattr(keras.applications, net)(weights=None, input_shape=tuple(shape), classes=10)
    from benchmarks import stock

    return stock.build(net, tuple(shape))


def torch_step(net, batch, compiled=False, steps=1, shape=(32, 32, 3)):
    """A training step of the same net in PyTorch, channels last."""
    import torch

    from benchmarks import torch_nets

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    model = torch_nets.build(net).to(memory_format=torch.channels_last)
    parameters = sum(p.numel() for p in model.parameters()) + sum(
        b.numel() for n, b in model.named_buffers() if "num_batches" not in n
    )
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    loss_of = torch.nn.CrossEntropyLoss()
    x, y = _images(batch, shape)
    x = torch.from_numpy(x).permute(0, 3, 1, 2).to(memory_format=torch.channels_last)
    y = torch.from_numpy(y).long()
    forward = torch.compile(model) if compiled else model

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(forward(x), y)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    began = time.perf_counter()
    step()
    ready = {"first_step_s": time.perf_counter() - began, "parameters": parameters}

    def run():
        for _ in range(steps):
            step()

    return run, steps, ready


# Relative to the largest output. What differs by more computes something else, and its time means nothing.
TOLERANCE = 1e-4


def keras_predict(
    source,
    net,
    batch,
    fold=False,
    merge=False,
    call=False,
    jit="auto",
    steps=1,
    shape=(224, 224, 3),
    **options,
):
    """Inference on one batch by `predict`, or by calling the model as one compiled function."""
    model = stirred(make(source, net, shape, **options))
    x, _ = _images(batch, shape)
    expected = as_keras_computes(model, x)
    model, ready = prepared(model, fold, merge)
    model.compile(jit_compile=jit)
    predict = _one_call(model) if call else model.predict_on_batch
    return timed(lambda: predict(x), expected, steps, ready)


def _one_call(model):
    import tensorflow as tf

    call = tf.function(lambda x: model(x, training=False))
    return lambda x: call(x).numpy()


def importance(net, images, shape):
    """What each activation is worth, of all at once: a pass to fit, a pass to measure."""
    from zoo.probes import activation_importance

    model, x, y, names = _trained(net, images, shape)
    return lambda: activation_importance(model, x, y, progress=False), 1, {"sites": len(names)}


def one_by_one(net, images, shape, every=1):
    """The same of every so many, as one would without: drop it, with its best affine map, and evaluate what is left."""
    import gc

    import keras

    from zoo.transforms import drop_activations

    model, x, y, names = _trained(net, images, shape)
    asked = names[::every]

    def run():
        for name in asked:
            short = drop_activations(model, name, fit=x).model
            short.compile(
                loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
            )
            short.evaluate(x, y, verbose=0)
            del short
            gc.collect()

    return run, 1, {"sites": len(names), "asked": len(asked)}


def _trained(net, images, shape):
    """A net of keras.applications as after training, images with labels, and the names of its activations."""
    from zoo.activations import classifier_names, sites

    model = stirred(make("applications", net, shape))
    found = sites(model)
    last = classifier_names(model, found)
    return model, *_images(images, shape), [site.name for site in found if site.name not in last]


def onnx_predict(source, net, batch, fold=False, merge=False, steps=1, shape=(224, 224, 3), **options):
    """Inference by ONNX Runtime on the exported model."""

    def runtime(model, file):
        model.export(f"{file}.onnx", format="onnx", verbose=False)
        session = onnx_session(f"{file}.onnx")
        name = session.get_inputs()[0].name
        return lambda x: session.run(None, {name: x})[0]

    return _exported(runtime, make(source, net, shape, **options), batch, fold, merge, steps, shape)


def openvino_predict(source, net, batch, fold=False, merge=False, steps=1, shape=(224, 224, 3), **options):
    """Inference by OpenVINO on the exported model, in float32 as all others, and on as many threads."""

    def runtime(model, file):
        import openvino

        model.export(f"{file}.xml", format="openvino", verbose=False)
        settings = {
            "INFERENCE_NUM_THREADS": THREADS,
            "PERFORMANCE_HINT": "LATENCY",
            # Of itself it takes bfloat16 where the processor has it.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        read = openvino.Core().read_model(f"{file}.xml")
        read.reshape([batch, *shape])
        request = openvino.Core().compile_model(read, "CPU", settings).create_infer_request()
        return lambda x: request.infer([x])[0]

    return _exported(runtime, make(source, net, shape, **options), batch, fold, merge, steps, shape)


def _exported(runtime, model, batch, fold, merge, steps, shape):
    import tempfile

    model = stirred(model)
    x, _ = _images(batch, shape)
    expected = as_keras_computes(model, x)
    model, ready = prepared(model, fold, merge)
    model.predict_on_batch(x)  # Keras exports only what has been called
    with tempfile.TemporaryDirectory() as folder:
        predict = runtime(model, f"{folder}/net")
    return timed(lambda: predict(x), expected, steps, {"parameters": ready["parameters"]})


def prepared(model, fold=False, merge=False):
    """The model to time, with what the transforms did: branches merged, normalisation folded, stretches collapsed."""
    ready = {"layers": len(model.layers)}
    if merge:
        from zoo.transforms import merge_branches

        model, merged, *_ = merge_branches(model)
        ready["merged"] = len(merged)
    if fold or merge:
        from zoo.transforms import fold_batchnorm

        model, folded, kept, _ = fold_batchnorm(model)
        ready |= {"folded": len(folded), "kept": len(kept)}
    if merge:
        model, ready["collapsed"] = collapsed(model)
    return model, ready | {"layers": len(model.layers), "parameters": model.count_params()}


def collapsed(model):
    """Every stretch without activation as one layer, and how many layers stand for several; the same model where none is."""
    from zoo.transforms import collapse_linear

    try:
        model, found, _ = collapse_linear(model)
    except ValueError as error:
        if "nothing to collapse" not in str(error):
            raise
        return model, 0
    return model, len(found)


def stirred(model):
    """The model with statistics and scales as after training, and without softmax, in place.

    The statistics that a net begins with hide what is folded wrongly, and so does a softmax that is sure of a class.
    """
    import keras
    import numpy as np

    from zoo.graph import flatten_layers

    rng = np.random.default_rng(0)
    for layer in flatten_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            for variable in layer.weights:
                wide = variable.name in ("gamma", "moving_variance")
                values = (
                    rng.uniform(0.8, 1.25, variable.shape) if wide else rng.normal(0, 0.1, variable.shape)
                )
                variable.assign(values)
    if hasattr(model.layers[-1], "activation"):
        model.layers[-1].activation = keras.activations.linear
    return model


def as_keras_computes(model, x):
    """What stock Keras makes of the batch: the same net of stock layers, with the same weights, without XLA."""
    import keras

    stock = keras.models.model_from_json(model.to_json())
    stock.set_weights(model.get_weights())
    stock.compile(jit_compile=False)
    return stock.predict_on_batch(x)


def timed(predict, expected, steps, ready):
    """What runs `predict` several times; nothing does where its result is not what was expected."""
    ready["difference"] = difference(expected, predict())
    if not ready["difference"] <= TOLERANCE:
        return None, steps, ready

    def run():
        for _ in range(steps):
            predict()

    return run, steps, ready


def difference(expected, received):
    """The largest difference, relative to the largest value; infinite where there is no number to compare."""
    import numpy as np

    gap = float(np.abs(received - expected).max() / np.abs(expected).max())
    return gap if np.isfinite(gap) else float("inf")


def onnx_session(model):
    """A session of ONNX Runtime on a file or on bytes, without the optimisation that computes something else.

    Pad_Fusion makes zero padding before max pooling part of the pooling, whose own padding is minus infinity: wrong
    where all that is pooled is negative, as in the stem of the nets v2.
    """
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = THREADS
    return onnxruntime.InferenceSession(
        model, settings, providers=["CPUExecutionProvider"], disabled_optimizers=["Pad_Fusion"]
    )


def matmul(size=2048, steps=1):
    """TensorFlow's matrix product of two float32 squares: what the machine can do at best."""
    import tensorflow as tf

    a, b = tf.random.normal((size, size)), tf.random.normal((size, size))
    multiply = tf.function(tf.linalg.matmul)
    multiply(a, b)

    def run():
        for _ in range(steps):
            result = multiply(a, b)
        return result.numpy()[0, 0]

    return run, steps, {"flops": 2 * size**3}


def operation(name, shape, kernel=None, stride=1, backward=False, steps=1):
    """One operation of a net by itself, forward or backward: convolution, normalisation, ReLU, addition."""
    import tensorflow as tf

    x = tf.random.normal(shape)
    w = tf.random.normal(kernel) if kernel else None
    channels = shape[-1]
    scale, offset = tf.ones(channels), tf.zeros(channels)
    forward = {
        "conv": lambda x, w: tf.nn.conv2d(x, w, stride, "SAME"),
        "norm": lambda x, w: (
            tf.raw_ops.FusedBatchNormV3(
                x=x, scale=w, offset=offset, mean=tf.zeros([0]), variance=tf.zeros([0]), is_training=True
            ).y
        ),
        "relu": lambda x, w: tf.nn.relu(x),
        "add": lambda x, w: x + 2.0 * x,
    }[name]
    w = scale if name == "norm" else w
    upstream = tf.random.normal(forward(x, w).shape)

    @tf.function
    def once(x):
        if not backward:
            return tf.reduce_sum(forward(x, w)[0, 0, 0])
        with tf.GradientTape() as tape:
            sources = [x] if w is None else [x, w]
            tape.watch(sources)
            y = forward(x, w)
        gradients = tape.gradient(y, sources, upstream)
        return tf.add_n([tf.reduce_sum(tf.reshape(g, [-1])[:4]) for g in gradients])

    once(x)

    def run():
        for _ in range(steps):
            once(x)

    return run, steps, {}


def main(kind: str, options: str) -> None:
    """Get ready, then answer `go` with seconds a step, and of the processor for all, and `end` with the peak memory."""
    run, steps, ready = globals()[kind](**json.loads(options))
    if run is None:
        ready["differs"] = True
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        if line.strip() == "end":
            break
        began, spent = time.perf_counter(), time.process_time()
        run()
        seconds = {
            "seconds": (time.perf_counter() - began) / steps,
            "cpu_seconds": time.process_time() - spent,
        }
        print(json.dumps(seconds), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"peak_gb": peak}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
