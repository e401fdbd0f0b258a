"""The pre-activation net of 20 layers."""

import zoo

# --8<-- [start:code]
model = zoo.build("resnet20v2")
# --8<-- [end:code]
assert model.output.shape == (None, 10)
