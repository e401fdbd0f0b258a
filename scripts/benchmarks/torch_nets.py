"""The same nets in PyTorch, as a user would write them."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


def build(name: str) -> nn.Module:
    """`convnet`, `resnet20v2` or `resnet50v2`, ten classes, three input channels."""
    return {"convnet": convnet, "resnet20v2": lambda: CifarV2(3), "resnet50v2": ResNet50V2}[name]()


def convnet() -> nn.Module:
    """Two stages of two 3x3 convolutions with ReLU, each ending with max-pooling; images of 32 by 32."""

    def stage(inside, width):
        return [
            nn.Conv2d(inside, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]

    return nn.Sequential(*stage(3, 32), *stage(32, 64), nn.Flatten(), nn.Linear(64 * 8 * 8, 10))


def _norm(channels):
    return nn.BatchNorm2d(channels, momentum=0.1, eps=1e-5)


class BasicUnit(nn.Module):
    """norm relu conv norm relu conv, with a shortcut without parameters."""

    def __init__(self, inside, width, stride, activate):
        super().__init__()
        self.norm1 = _norm(inside) if activate else None
        self.conv1 = nn.Conv2d(inside, width, 3, stride, 1, bias=False)
        self.norm2 = _norm(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.stride, self.missing = stride, width - inside

    def forward(self, x):
        """Shortcut plus branch."""
        y = functional.relu(self.norm1(x)) if self.norm1 else x
        y = self.conv2(functional.relu(self.norm2(self.conv1(y))))
        if self.missing:
            half = self.missing // 2
            x = functional.pad(
                x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.missing - half)
            )
        return x + y


class CifarV2(nn.Module):
    """He et al. 2016, full pre-activation, basic units."""

    def __init__(self, units):
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(3, 16, 3, padding=1, bias=False), _norm(16)
        body, inside = [], 16
        for stage, width in enumerate((16, 32, 64)):
            for index in range(units):
                stride = 2 if stage and index == 0 else 1
                body.append(BasicUnit(inside, width, stride, activate=bool(stage or index)))
                inside = width
        self.body, self.norm, self.head = nn.Sequential(*body), _norm(64), nn.Linear(64, 10)

    def forward(self, x):
        """Images to logits."""
        x = self.body(functional.relu(self.stem_norm(self.stem(x))))
        return self.head(functional.relu(self.norm(x)).mean((2, 3)))


class BottleneckV2(nn.Module):
    """A unit of keras.applications' ResNet50V2."""

    def __init__(self, inside, width, stride, project):
        super().__init__()
        self.preact = nn.BatchNorm2d(inside, momentum=0.01, eps=1.001e-5)
        self.project = nn.Conv2d(inside, 4 * width, 1, stride) if project else None
        self.conv1 = nn.Conv2d(inside, width, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width, momentum=0.01, eps=1.001e-5)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width, momentum=0.01, eps=1.001e-5)
        self.conv3 = nn.Conv2d(width, 4 * width, 1)
        self.stride = stride

    def forward(self, x):
        """Shortcut plus branch."""
        activated = functional.relu(self.preact(x))
        shortcut = self.project(activated) if self.project else x[:, :, :: self.stride, :: self.stride]
        y = functional.relu(self.norm1(self.conv1(activated)))
        return shortcut + self.conv3(functional.relu(self.norm2(self.conv2(y))))


class ResNet50V2(nn.Module):
    """The graph of keras.applications' ResNet50V2: the stride sits in the last unit of a stage."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3), nn.MaxPool2d(3, 2, 1))
        body, inside = [], 64
        for stage, (width, units) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
            for index in range(units):
                stride = 2 if index == units - 1 and stage < 3 else 1
                body.append(BottleneckV2(inside, width, stride, project=index == 0))
                inside = 4 * width
        self.body, self.norm = nn.Sequential(*body), nn.BatchNorm2d(inside, momentum=0.01, eps=1.001e-5)
        self.head = nn.Linear(inside, 10)

    def forward(self, x):
        """Images to logits."""
        x = functional.relu(self.norm(self.body(self.stem(x))))
        return self.head(torch.mean(x, (2, 3)))
