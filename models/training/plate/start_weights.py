"""Start weights: backbone and neck of YuNet_n, the face detector of ShiqiYu/libfacedetection.train (Apache-2.0), or all
of an earlier plate detector.

In both files batch norm is folded into kernels and biases. The kernels go to our convolutions and the biases to our
batch norms, which `calibrate_norms` then turns into plain additions.
"""

import hashlib
import itertools
import pathlib

import onnx
import torch
import torch.nn as nn
from onnx import numpy_helper

from model import PlateNet, SeparableConv

YUNET_SHA256 = "104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12"


def load_yunet(net: PlateNet, path: pathlib.Path) -> set[nn.BatchNorm2d]:
    """Copy the weights of `yunet_n_dynamic.onnx`; stops where the file is another one. Returns the norms that took over
    a bias."""
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != YUNET_SHA256:
        raise ValueError(f"`{path}`: expected sha256 {YUNET_SHA256}, found {found}")
    kernels_and_biases = iter(_kernels_and_biases(onnx.load_from_string(data)))
    with torch.no_grad():
        kernel, bias = next(kernels_and_biases)
        net.stem.weight.copy_(kernel)
        net.stem_norm.bias.copy_(bias)
        for unit in _units_in_yunet_order(net):
            kernel, bias = next(kernels_and_biases)
            unit.pointwise.weight.copy_(kernel)
            unit.pointwise.bias.copy_(bias)
            kernel, bias = next(kernels_and_biases)
            unit.depthwise.weight.copy_(kernel)
            unit.norm.bias.copy_(bias)
    return {net.stem_norm} | {
        unit.norm for unit in net.modules() if isinstance(unit, SeparableConv) and unit.norm is not None
    }


def load_detector(net: PlateNet, path: pathlib.Path) -> set[nn.BatchNorm2d]:
    """Copy all weights of an exported detector, to train it further. Returns the norms that took over a bias: all."""
    found = _kernels_and_biases(onnx.load(str(path)))
    units = _convolutions_in_order(net)
    shapes = [tuple(kernel.shape) for kernel, _ in found]
    expected = [tuple(convolution.weight.shape) for convolution, _ in units]
    if shapes != expected:
        raise ValueError(f"`{path}`: expected the convolutions of a plate detector, found {len(shapes)} others")
    with torch.no_grad():
        for (kernel, bias), (convolution, norm) in zip(found, units, strict=True):
            convolution.weight.copy_(kernel)
            (norm or convolution).bias.copy_(bias)
    return {norm for _, norm in units if norm is not None}


def _kernels_and_biases(model: onnx.ModelProto) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Of every convolution, in the order of the file, which is that of computing."""
    tensors = {
        tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in model.graph.initializer
    }
    return [(tensors[node.input[1]], tensors[node.input[2]]) for node in model.graph.node if node.op_type == "Conv"]


def _convolutions_in_order(net: PlateNet) -> list[tuple[nn.Conv2d, nn.BatchNorm2d | None]]:
    """Every convolution in the order of computing, with the norm that follows it directly."""
    order: list[nn.Module] = []
    watched = [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.BatchNorm2d)]
    hooks = [module.register_forward_hook(lambda module, *_: order.append(module)) for module in watched]
    net.eval()
    with torch.no_grad():
        net(torch.zeros(1, 3, 64, 64))
    for hook in hooks:
        hook.remove()
    return [
        (module, following if isinstance(following, nn.BatchNorm2d) else None)
        for module, following in itertools.zip_longest(order, order[1:])
        if isinstance(module, nn.Conv2d)
    ]


def _units_in_yunet_order(net: PlateNet) -> list[SeparableConv]:
    """Our counterparts of YuNet's convolutions in the order of its file; its heads, for faces, are left out."""
    stages = [unit for stage in (net.stage1, net.stage2, net.stage3, net.stage4, net.stage5) for unit in stage]
    backbone = [net.stem_conv, *(unit for unit in stages if isinstance(unit, SeparableConv))]
    return [*backbone, *reversed(net.laterals), *net.shared]


def calibrate_norms(net: PlateNet, images: torch.Tensor, took_over_bias: set[nn.BatchNorm2d]) -> None:
    """Give every batch norm the statistics of `images` (float32 [batch, 3, height, width]).

    Norms that took over a bias also get the gain and offset that make them x + bias, so that the network starts out
    computing what the start weights compute.
    """

    def calibrate(norm: nn.BatchNorm2d, inputs: tuple[torch.Tensor]) -> None:
        mean = inputs[0].mean((0, 2, 3))
        variance = inputs[0].var((0, 2, 3), unbiased=False)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        if norm in took_over_bias:
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.add_(mean)

    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(calibrate) for norm in norms]
    net.eval()
    with torch.no_grad():
        net(images)
    for hook in hooks:
        hook.remove()
