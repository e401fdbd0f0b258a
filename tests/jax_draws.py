"""On JAX, NumPy draws the first weights of the nets under test.

JAX compiles a drawing for each shape, which took nine tenths of the time in which a net was built. Which numbers come
out of which seed is no claim of this library; a drawing inside a compiled function stays with JAX.
"""

import functools

import jax
import numpy as np
from keras.src.backend import random as backend_random
from keras.src.random.seed_generator import draw_seed


def _truncated(rng, shape, mean=0.0, stddev=1.0):
    z = rng.standard_normal(shape)
    while (outside := np.abs(z) > 2).any():
        z[outside] = rng.standard_normal(np.count_nonzero(outside))
    return mean + stddev * z


DRAWS = {
    "normal": lambda rng, shape, mean=0.0, stddev=1.0: rng.normal(mean, stddev, shape),
    "uniform": lambda rng, shape, minval=0.0, maxval=1.0: rng.uniform(minval, maxval, shape),
    "truncated_normal": _truncated,
}


def by_numpy(original, draw):
    @functools.wraps(original)
    def drawn(shape, *args, dtype=None, seed=None, **kwargs):
        state = seed.state.value if hasattr(seed, "state") else seed
        if any(isinstance(value, jax.Array) for value in (*args, *kwargs.values())) or isinstance(
            state, jax.core.Tracer
        ):
            return original(shape, *args, dtype=dtype, seed=seed, **kwargs)
        # Also where Keras builds a model by tracing it.
        with jax.ensure_compile_time_eval():
            rng = np.random.default_rng(np.asarray(draw_seed(seed), "uint32").tolist())
            return jax.numpy.asarray(np.asarray(draw(rng, shape, *args, **kwargs)), dtype or "float32")

    return drawn


def install():
    for name, draw in DRAWS.items():
        setattr(backend_random, name, by_numpy(getattr(backend_random, name), draw))
