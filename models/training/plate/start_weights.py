"""Start weights: backbone and neck of YuNet_n, the face detector of ShiqiYu/libfacedetection.train (Apache-2.0)."""

import hashlib
import pathlib

import onnx
import torch
import torch.nn as nn
from onnx import numpy_helper

from model import PlateNet, SeparableConv

YUNET_SHA256 = "104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12"


def load_yunet(net: PlateNet, path: pathlib.Path) -> None:
    """Copy the weights of `yunet_n_dynamic.onnx`; stops where the file is another one.

    Batch norm is already folded into its kernels and biases. The kernels go to our convolutions and the biases to our
    batch norms, which `calibrate_norms` then turns into plain additions.
    """
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != YUNET_SHA256:
        raise ValueError(f"`{path}`: expected sha256 {YUNET_SHA256}, found {found}")
    graph = onnx.load_from_string(data).graph
    tensors = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}
    kernels_and_biases = (
        (tensors[node.input[1]], tensors[node.input[2]]) for node in graph.node if node.op_type == "Conv"
    )
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


def _units_in_yunet_order(net: PlateNet) -> list[SeparableConv]:
    """Our counterparts of YuNet's convolutions in the order of its file; its heads, for faces, are left out."""
    stages = [unit for stage in (net.stage1, net.stage2, net.stage3, net.stage4, net.stage5) for unit in stage]
    backbone = [net.stem_conv, *(unit for unit in stages if isinstance(unit, SeparableConv))]
    return [*backbone, *reversed(net.laterals), *net.shared]


def calibrate_norms(net: PlateNet, images: torch.Tensor) -> None:
    """Give every batch norm the statistics of `images` (float32 [batch, 3, height, width]).

    Norms that took over a bias of YuNet also get the gain and offset that make them x + bias, so that the network
    starts out computing what YuNet computes.
    """
    separable = [module for module in net.modules() if isinstance(module, SeparableConv)]
    took_over_bias = {net.stem_norm} | {unit.norm for unit in separable if unit.norm is not None}

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
