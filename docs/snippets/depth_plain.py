"""A plain net of 20 layers."""

import zoo

# --8<-- [start:code]
model = zoo.build("plain20")
# --8<-- [end:code]
assert model.output.shape == (None, 10)
