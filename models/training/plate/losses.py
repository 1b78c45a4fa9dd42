"""The training loss: is there a plate, how good is its box, where is the box."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F

from model import Maps, cells_last
from targets import IGNORED, PLATE

OBJECT_WEIGHT, QUALITY_WEIGHT, BOX_WEIGHT, SIZE_WEIGHT = 2.0, 2.0, 2.0, 0.5
# Logarithm of box size over stride: keeps exp() finite early in training.
LOG_SIZE_RANGE = (-4, 5)


class LossParts(NamedTuple):
    """What is logged of one step."""

    objectness: float
    quality: float
    box: float
    mean_iou: float


@dataclass
class Batch:
    """Crops and their targets, in the cell order of `targets.cell_grid`."""

    images: torch.Tensor  # float32 [batch, 3, size, size], BGR 0-255
    labels: torch.Tensor  # float32 [batch, cells]
    boxes: torch.Tensor  # float32 [batch, cells, 4], x0 y0 x1 y1


def iou_and_distance_iou(predicted: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """IoU of boxes [n, 4] x0 y0 x1 y1, and IoU less the squared distance of centres over the common box's diagonal."""
    top_left = torch.max(predicted[:, :2], wanted[:, :2])
    bottom_right = torch.min(predicted[:, 2:], wanted[:, 2:])
    intersection = (bottom_right - top_left).clamp(min=0).prod(1)
    predicted_area = (predicted[:, 2:] - predicted[:, :2]).prod(1)
    wanted_area = (wanted[:, 2:] - wanted[:, :2]).prod(1)
    iou = intersection / (predicted_area + wanted_area - intersection + 1e-6)
    common = torch.max(predicted[:, 2:], wanted[:, 2:]) - torch.min(predicted[:, :2], wanted[:, :2])
    distance = (predicted[:, :2] + predicted[:, 2:] - wanted[:, :2] - wanted[:, 2:]).pow(2).sum(1) / 4
    return iou, iou - distance / (common.pow(2).sum(1) + 1e-6)


def focal_loss(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Focal loss by element, gamma 2, plates and background weighted alike by 0.5."""
    probability = logits.sigmoid()
    certainty = probability * wanted + (1 - probability) * (1 - wanted)
    error = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return 0.5 * error * (1 - certainty) ** 2


def quality_focal_loss(logits: torch.Tensor, quality: torch.Tensor) -> torch.Tensor:
    """Focal loss by element towards a target between 0 and 1."""
    error = (logits.sigmoid() - quality).abs()
    return F.binary_cross_entropy_with_logits(logits, quality, reduction="none") * error**2


def all_cells(maps: Maps) -> torch.Tensor:
    """Maps of every stride as one float32 [batch, cells, channels]."""
    return torch.cat([cells_last(stride_map) for stride_map in maps], 1).float()


def detection_loss(maps: tuple[Maps, Maps, Maps], batch: Batch, grid: torch.Tensor) -> tuple[torch.Tensor, LossParts]:
    """The loss of one batch, and its parts. `grid` is `targets.cell_grid` of the crop size."""
    cls, obj, box = (all_cells(kind) for kind in maps)
    cls, obj = cls[..., 0], obj[..., 0]
    stride = grid[:, 2:]
    positive, counted = batch.labels == PLATE, batch.labels != IGNORED
    plate_cells = max(1.0, float(positive.sum()))

    centre = grid[None, :, :2] + box[..., :2] * stride
    size = box[..., 2:].clamp(*LOG_SIZE_RANGE).exp() * stride
    predicted = torch.cat([centre - size / 2, centre + size / 2], -1)
    wanted = batch.boxes[positive]
    iou, distance_iou = iou_and_distance_iou(predicted[positive], wanted)
    box_loss = (1 - distance_iou).sum() / plate_cells
    wanted_size = (wanted[:, 2:] - wanted[:, :2]).clamp(min=1)
    size_loss = F.smooth_l1_loss(size[positive].log(), wanted_size.log(), beta=0.1, reduction="sum") / plate_cells

    # obj says whether there is a plate; cls, how well its box fits.
    object_loss = focal_loss(obj, positive.float())[counted].sum() / plate_cells
    quality = torch.zeros_like(cls)
    quality[positive] = iou.detach().clamp(0, 1)
    quality_loss = quality_focal_loss(cls, quality)[counted].sum() / plate_cells

    total = (
        OBJECT_WEIGHT * object_loss + QUALITY_WEIGHT * quality_loss + BOX_WEIGHT * box_loss + SIZE_WEIGHT * size_loss
    )
    mean_iou = iou.mean().item() if len(iou) else 0.0
    return total, LossParts(object_loss.item(), quality_loss.item(), box_loss.item(), mean_iou)
