"""The same depth in every layout."""

import zoo

# --8<-- [start:code]
for layout in ("he2016", "kerashub", "timm", "keras_resnet", "keras_cifar10"):
    model = zoo.build("resnet11v2", block="bottleneck", layout=layout)
    print(layout, model.count_params())
# --8<-- [end:code]
