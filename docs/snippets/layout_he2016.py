"""The pre-activation net of the paper."""

import zoo

# --8<-- [start:code]
model = zoo.build("resnet20v2", layout="he2016")  # the default
# --8<-- [end:code]
assert model.output.shape == (None, 10)
