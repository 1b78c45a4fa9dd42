"""Which cells of the feature maps learn which plate."""

import torch

from model import STRIDES

# Plate widths in pixels that each stride learns; they overlap, so that no width falls between two strides.
WIDTH_RANGES = ((0, 72), (40, 150), (100, 1e9))
PLATE, BACKGROUND, IGNORED = 1.0, 0.0, -1.0


def cell_grid(size: int) -> torch.Tensor:
    """Left edge, top edge and stride of every cell of a square crop, float32 [cells, 3], all strides in one row."""
    grids = []
    for stride in STRIDES:
        steps = torch.arange(size // stride)
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        edges = [x.flatten() * stride, y.flatten() * stride, torch.full((steps.numel() ** 2,), stride)]
        grids.append(torch.stack(edges, 1))
    return torch.cat(grids).float()


def assign(
    plates: torch.Tensor, ignored: torch.Tensor, size: int, background_beyond: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Targets of one crop, in the cell order of `cell_grid`.

    `plates` and `ignored` are float32 [n, 4], x0 y0 x1 y1. Returns labels, float32 [cells] of `PLATE`, `BACKGROUND` or
    `IGNORED`, and the plate of each plate cell, float32 [cells, 4]. `background_beyond` is that of the recipe.
    """
    targets = [
        _assign_stride(plates, ignored, size, stride, widths, background_beyond)
        for stride, widths in zip(STRIDES, WIDTH_RANGES, strict=True)
    ]
    labels, boxes = zip(*targets, strict=True)
    return torch.cat(labels), torch.cat(boxes)


def _assign_stride(
    plates: torch.Tensor,
    ignored: torch.Tensor,
    size: int,
    stride: int,
    widths: tuple[float, float],
    background_beyond: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Targets of one stride.

    The inner part of a plate is positive where the stride learns its width; the rest of it, and all of it at the other
    strides, is ignored, so that a near miss is not punished. A plate far beyond what the stride learns is background
    there, or nothing teaches it not to see small plates in a large one, or a huge one round a small one. Where plates
    overlap the smaller one wins.
    """
    side = size // stride
    centre = (torch.arange(side) + 0.5) * stride
    labels = torch.full((side, side), BACKGROUND)
    boxes = torch.zeros(side, side, 4)
    smallest_area = torch.full((side, side), 1e9)
    for x0, y0, x1, y1 in ignored.tolist():
        inside_y, inside_x = (centre > y0) & (centre < y1), (centre > x0) & (centre < x1)
        labels[inside_y[:, None] & inside_x] = IGNORED
    for x0, y0, x1, y1 in plates.tolist():
        width, height = x1 - x0, y1 - y0
        if background_beyond and not widths[0] / background_beyond <= width < widths[1] * background_beyond:
            continue
        distance_x = (centre - (x0 + x1) / 2).abs()[None]
        distance_y = (centre - (y0 + y1) / 2).abs()[:, None]
        inside = (distance_x < max(width / 2, 0.75 * stride)) & (distance_y < max(height / 2, 0.75 * stride))
        labels[inside & (labels == BACKGROUND)] = IGNORED
        if not widths[0] <= width < widths[1]:
            continue
        inner = (distance_x < max(0.3 * width, 0.6 * stride)) & (distance_y < max(0.35 * height, 0.6 * stride))
        positive = inner & (width * height < smallest_area)
        labels[positive] = PLATE
        boxes[positive] = torch.tensor([x0, y0, x1, y1])
        smallest_area[positive] = width * height
    return labels.flatten(), boxes.view(-1, 4)
