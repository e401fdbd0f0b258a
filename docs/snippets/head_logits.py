"""Raw scores at the end; the loss applies the softmax."""

import keras
import numpy as np

x = inputs = keras.Input((64,))
# --8<-- [start:code]
outputs = keras.layers.Dense(10)(x)
model = keras.Model(inputs, outputs)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile("sgd", loss=loss)
# For those who want probabilities.
predict = keras.Sequential([model, keras.layers.Softmax()])
# --8<-- [end:code]
assert np.allclose(np.sum(predict(np.ones((3, 64), "float32")), axis=-1), 1, atol=1e-6)
