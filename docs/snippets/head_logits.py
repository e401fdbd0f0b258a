"""Raw scores at the end; the loss applies the softmax."""

import keras
import numpy as np

x = inputs = keras.Input((64,))
# --8<-- [start:code]
outputs = keras.layers.Dense(10)(x)
model = keras.Model(inputs, outputs)
model.compile("sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
predict = keras.Sequential([model, keras.layers.Softmax()])  # for those who want probabilities
# --8<-- [end:code]
assert np.allclose(np.sum(predict(np.ones((3, 64), "float32")), axis=-1), 1, atol=1e-6)
