"""1001 layers in the original ordering."""

import zoo

# --8<-- [start:code]
model = zoo.build("resnet1001", rolled=True)
# --8<-- [end:code]
assert model.output_shape == (None, 10)
