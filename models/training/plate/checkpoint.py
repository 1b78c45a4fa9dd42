"""Everything a run needs to go on exactly where it was interrupted, in one file."""

import os
import pathlib
from typing import Any

import torch
import torch.distributed as dist
import torch.nn as nn

from rng import Rng

FILE_NAME = "checkpoint.pt"


def gather_process_states(net: nn.Module, rng: Rng) -> list[dict[str, Any]] | None:
    """What differs between processes (batch norm statistics, chance), in the order of ranks; only on rank 0.

    Every process must call this at the same step.
    """
    state = {"net": dict(net.state_dict()), "rng": rng.snapshot(), "torch_rng": torch.get_rng_state()}
    states: list[Any] | None = [None] * dist.get_world_size() if dist.get_rank() == 0 else None
    dist.gather_object(state, states)
    return states


def restore_process_state(state: dict[str, Any], net: nn.Module, rng: Rng) -> None:
    net.load_state_dict(state["net"])
    rng.restore(state["rng"])
    torch.set_rng_state(state["torch_rng"])


def save(folder: pathlib.Path, checkpoint: dict[str, Any]) -> None:
    """Replace the checkpoint in one step: an interruption leaves the old one or the new one, never half of one."""
    unfinished = folder / f"{FILE_NAME}.tmp"
    with unfinished.open("wb") as file:
        torch.save(checkpoint, file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(folder / FILE_NAME)


def load(folder: pathlib.Path, settings: dict[str, Any], may_differ: tuple[str, ...] = ()) -> dict[str, Any]:
    """The checkpoint of a run with the same settings, but for those that may differ; another run's would give neither
    run's result."""
    checkpoint = torch.load(folder / FILE_NAME, weights_only=True)
    saved = checkpoint["settings"]
    different = [name for name in settings if name not in may_differ and saved.get(name) != settings[name]]
    if different:
        changes = ", ".join(f"`{name}` was {saved.get(name)}, is {settings[name]}" for name in different)
        raise ValueError(f"the checkpoint in `{folder}` is of a run with other settings: {changes}")
    return checkpoint
