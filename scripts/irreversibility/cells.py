"""The formula of `src/redact/style.rs` once more, for strengths that the program refuses and for many pictures at once.

`product.differences` proves on pictures that both give the same bytes.
"""

import numpy as np

STEP = 16
# Of regions of a single cell, which get the colour of their frame.
SOLID_STEP = 32
# The frame is this part of the shorter side thick, and at least a pixel.
FRAME = 16


def cell_px(width: int, height: int, style: str, cells: int, cell_step: int = 1) -> int:
    """The side of a cell in pixels; `cell_step` is 16 in most JPEGs and 1 elsewhere."""
    cells = 1 if style == "solid" else cells
    even = max(1, -(-max(width, height) // cells))
    return -(-even // cell_step) * cell_step if style == "mosaic" else even


def quantised(means: np.ndarray) -> np.ndarray:
    """Averages of cells, [rows, columns, ...], rounded as the program does."""
    step = SOLID_STEP if means.shape[0] * means.shape[1] == 1 else STEP
    return np.minimum(np.floor(means).astype(int) // step * step + step // 2, 255)


def colours(clear: np.ndarray, side: int) -> np.ndarray:
    """The cells' colours, int [rows, columns, 3], of a region, uint8 [height, width, 3]."""
    height, width = clear.shape[:2]
    if max(height, width) <= side:
        return quantised(frame(clear)[None, None])
    tops, lefts = np.arange(0, height, side), np.arange(0, width, side)
    sums = np.add.reduceat(np.add.reduceat(clear.astype(np.int64), tops, axis=0), lefts, axis=1)
    heights, widths = np.diff(np.append(tops, height)), np.diff(np.append(lefts, width))
    return quantised(sums // (heights[:, None] * widths[None, :])[..., None])


def frame_px(width: int, height: int) -> int:
    """How thick the frame of a region is."""
    return max(1, min(width, height) // FRAME)


def frame(clear: np.ndarray) -> np.ndarray:
    """The average of a region's frame, int [3]."""
    thick = frame_px(clear.shape[1], clear.shape[0])
    inner = clear[thick:-thick, thick:-thick]
    total = clear.sum(axis=(0, 1), dtype=np.int64) - inner.sum(axis=(0, 1), dtype=np.int64)
    return total // (clear.shape[0] * clear.shape[1] - inner.shape[0] * inner.shape[1])


def paint(grid: np.ndarray, side: int, width: int, height: int, style: str) -> np.ndarray:
    """What stands in the region, uint8 [height, width, 3]."""
    x, y = np.arange(width), np.arange(height)
    if style != "blur":
        return grid[y // side][:, x // side].astype(np.uint8)
    top, bottom, fy = _neighbours(y, side, grid.shape[0])
    left, right, fx = _neighbours(x, side, grid.shape[1])
    unit = 2 * side
    fy, fx = fy[:, None, None], fx[None, :, None]
    above = grid[top][:, left] * (unit - fx) + grid[top][:, right] * fx
    below = grid[bottom][:, left] * (unit - fx) + grid[bottom][:, right] * fx
    return ((above * (unit - fy) + below * fy + unit * unit // 2) // (unit * unit)).astype(np.uint8)


def obscured(clear: np.ndarray, style: str, cells: int, cell_step: int = 1) -> np.ndarray:
    """The region as the program would show it without loss, uint8 [height, width, 3] in and out."""
    height, width = clear.shape[:2]
    side = cell_px(width, height, style, cells, cell_step)
    return paint(colours(clear, side), side, width, height, style)


def _neighbours(at: np.ndarray, side: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cells before and after each place, and how far it lies between their centres, in half pixels."""
    position = 2 * at + 1
    before = (position + side) // (2 * side)
    share = np.where((before == 0) | (before >= count), 0, position + side - before * 2 * side)
    return np.clip(before - 1, 0, count - 1), np.clip(before, 0, count - 1), share
