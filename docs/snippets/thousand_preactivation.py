"""1001 layers with full pre-activation."""

import zoo

# --8<-- [start:code]
model = zoo.build("resnet1001v2", rolled=True)
# --8<-- [end:code]
assert model.output_shape == (None, 10)
