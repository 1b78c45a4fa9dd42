"""The plate detector's network: backbone and neck of YuNet_n, extra residual blocks, one head a stride.

Input: BGR 0-255 float32 [batch, 3, height, width], height and width multiples of 32. The raw maps of `feature_maps` are
what training uses; `forward` gives what the shipped file gives, see there.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

STRIDES = (8, 16, 32)
CHANNELS = 64
RESIDUAL_BLOCKS = (1, 2, 2)  # by stride
RESIDUAL_CHANNELS = (96, 128, 192)  # inside a block, by stride
# Start of the score heads: nearly everything is background.
SCORE_BIAS = -4.0
# Start of the box heads: in the middle of the cell, as wide and high as most plates are at their stride.
BOX_BIAS = (0.5, 0.5, 1.2, 0.2)

Maps = list[torch.Tensor]  # by stride, [batch, channels, height / stride, width / stride]


class SeparableConv(nn.Module):
    """1x1 convolution, depthwise 3x3 convolution and, unless it is an output, batch norm and ReLU."""

    def __init__(self, channels_in: int, channels_out: int, output: bool = False) -> None:
        super().__init__()
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1)
        self.depthwise = nn.Conv2d(channels_out, channels_out, 3, 1, 1, groups=channels_out, bias=output)
        self.norm = None if output else nn.BatchNorm2d(channels_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.depthwise(self.pointwise(x))
        return x if self.norm is None else F.relu(self.norm(x))


class ResidualBlock(nn.Module):
    """Inverted bottleneck with a depthwise 5x5 convolution. Starts as the identity, so that it does not disturb the
    start weights round it."""

    def __init__(self, channels: int, inner_channels: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(channels, inner_channels, 1, bias=False)
        self.expand_norm = nn.BatchNorm2d(inner_channels)
        self.depthwise = nn.Conv2d(inner_channels, inner_channels, 5, 1, 2, groups=inner_channels, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(inner_channels)
        self.project = nn.Conv2d(inner_channels, channels, 1, bias=False)
        self.project_norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.project_norm.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = F.relu(self.expand_norm(self.expand(x)))
        inner = F.relu(self.depthwise_norm(self.depthwise(inner)))
        return x + self.project_norm(self.project(inner))


class PlateNet(nn.Module):
    """The network. Lists of modules have one entry a stride, in the order of `STRIDES`."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1, bias=False)
        self.stem_norm = nn.BatchNorm2d(16)
        self.stem_conv = SeparableConv(16, 16)
        self.stage1 = nn.Sequential(SeparableConv(16, 16), SeparableConv(16, 64))
        self.stage2 = nn.Sequential(SeparableConv(64, 64), SeparableConv(64, 64))
        self.stage3, self.stage4, self.stage5 = (
            nn.Sequential(
                SeparableConv(64, CHANNELS),
                SeparableConv(CHANNELS, CHANNELS),
                *[ResidualBlock(CHANNELS, inner_channels) for _ in range(blocks)],
            )
            for blocks, inner_channels in zip(RESIDUAL_BLOCKS, RESIDUAL_CHANNELS, strict=True)
        )
        self.laterals = self._for_each_stride(CHANNELS)
        self.shared = self._for_each_stride(CHANNELS)
        self.cls_heads = self._for_each_stride(1, output=True)
        self.obj_heads = self._for_each_stride(1, output=True)
        self.box_heads = self._for_each_stride(4, output=True)
        for head in [*self.cls_heads, *self.obj_heads]:
            start_head(head, torch.tensor([SCORE_BIAS]))
        for head in self.box_heads:
            start_head(head, torch.tensor(BOX_BIAS))

    @staticmethod
    def _for_each_stride(channels: int, output: bool = False) -> nn.ModuleList:
        return nn.ModuleList(SeparableConv(CHANNELS, channels, output) for _ in STRIDES)

    def feature_maps(self, x: torch.Tensor) -> tuple[Maps, Maps, Maps]:
        """Raw class, object and box maps of 1, 1 and 4 channels."""
        x = self.stem_conv(F.relu(self.stem_norm(self.stem(x))))
        x = self.stage2(self.stage1(F.max_pool2d(x, 2)))
        fine = self.stage3(F.max_pool2d(x, 2))
        middle = self.stage4(F.max_pool2d(fine, 2))
        coarse = self.laterals[2](self.stage5(F.max_pool2d(middle, 2)))
        middle = self.laterals[1](middle + enlarge(coarse))
        fine = self.laterals[0](fine + enlarge(middle))
        features = [shared(x) for shared, x in zip(self.shared, (fine, middle, coarse), strict=True)]
        cls, obj, box = (
            [head(x) for head, x in zip(heads, features, strict=True)]
            for heads in (self.cls_heads, self.obj_heads, self.box_heads)
        )
        return cls, obj, box

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """cls 8, 16, 32 and obj 8, 16, 32, each [batch, cells, 1] in 0-1, then box 8, 16, 32, each [batch, cells, 4].

        Cells run by rows. score = sqrt(cls * obj), centre = (cell + box[:2]) * stride, size = exp(box[2:]) * stride.
        """
        cls, obj, box = self.feature_maps(x)
        scores = [cells_last(scores).sigmoid() for scores in cls + obj]
        return tuple(scores + [cells_last(boxes) for boxes in box])


def enlarge(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def cells_last(maps: torch.Tensor) -> torch.Tensor:
    """[batch, channels, height, width] -> [batch, cells, channels]."""
    return maps.flatten(2).transpose(1, 2)


def start_head(head: SeparableConv, bias: torch.Tensor) -> None:
    """Small random 1x1 kernels, a depthwise kernel that passes its input on, and the given output bias."""
    nn.init.normal_(head.pointwise.weight, 0, 0.02)
    nn.init.zeros_(head.pointwise.bias)
    nn.init.zeros_(head.depthwise.weight)
    with torch.no_grad():
        head.depthwise.weight[:, 0, 1, 1] = 1
        head.depthwise.bias.copy_(bias)
