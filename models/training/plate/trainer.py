"""One process of the training run: samples, steps, moving average, checkpoints, validation."""

import copy
import dataclasses
import json
import math
import pathlib
import signal
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.nn as nn

import checkpoint
from augment import Sampler
from evaluate import validation_summary
from export import export
from fonts import Fonts
from losses import Batch, LossParts, detection_loss
from mining import Miner
from model import PlateNet
from photo_pool import PhotoPool
from photos import Photo
from recipe import Recipe
from rng import Rng
from start_weights import calibrate_norms, load_detector, load_yunet
from targets import assign, cell_grid

FINAL_LEARNING_RATE_SHARE = 0.02
WEIGHT_DECAY = 0.02
MAX_GRADIENT_NORM = 10.0
EMA_DECAY = 0.998
CALIBRATION_SAMPLES = 24
LOG_EVERY = 50


@dataclass(frozen=True)
class Settings:
    """What decides the result of a run, beside the data."""

    steps: int
    seed: int
    processes: int
    batch: int  # crops a process and step
    recipe: Recipe


@dataclass(frozen=True)
class Job:
    """A run: its settings, its inputs and where it writes."""

    settings: Settings
    pool: PhotoPool
    validation: list[Photo]
    fonts: Fonts
    start_weights: pathlib.Path
    starts_from_detector: bool  # else from YuNet_n
    out: pathlib.Path
    checkpoint_every: int
    validate_every: int
    resume: bool
    new_end: bool  # the run that is resumed had another number of steps


def learning_rate(step: int, steps: int, recipe: Recipe) -> float:
    """Linear warm-up, then a cosine down to 2 % of the peak. `step` counts from 0."""
    warm_up = min(1.0, (step + 1) / recipe.warm_up_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
    return recipe.peak_learning_rate * warm_up * (FINAL_LEARNING_RATE_SHARE + (1 - FINAL_LEARNING_RATE_SHARE) * cosine)


def make_batch(sampler: Sampler, count: int, size: int, background_beyond: float) -> Batch:
    """`count` random crops of `size` pixels with their targets."""
    images, labels, boxes = [], [], []
    for _ in range(count):
        sample = sampler.sample(size)
        plates, ignored = torch.from_numpy(sample.plates), torch.from_numpy(sample.ignored)
        cell_labels, cell_boxes = assign(plates, ignored, size, background_beyond)
        images.append(torch.from_numpy(sample.image))
        labels.append(cell_labels)
        boxes.append(cell_boxes)
    stacked = torch.stack(images).permute(0, 3, 1, 2).float()
    return Batch(stacked.contiguous(memory_format=torch.channels_last), torch.stack(labels), torch.stack(boxes))


def make_optimiser(net: nn.Module, peak_learning_rate: float) -> torch.optim.AdamW:
    """AdamW that decays kernels, but neither biases nor batch norms."""
    parameters = list(net.parameters())
    groups = [
        {"params": [parameter for parameter in parameters if parameter.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=peak_learning_rate)


def average_gradients(parameters: list[nn.Parameter]) -> None:
    """Replace every process's gradients by the mean over processes, in one message."""
    gradients = torch.cat([parameter.grad.flatten() for parameter in parameters])
    dist.all_reduce(gradients)
    gradients /= dist.get_world_size()
    sizes = [parameter.numel() for parameter in parameters]
    for parameter, gradient in zip(parameters, gradients.split(sizes), strict=True):
        parameter.grad.copy_(gradient.view_as(parameter))


@torch.no_grad()
def update_moving_average(average: nn.Module, net: nn.Module, step: int) -> None:
    """Move the average towards the network; faster in the first steps. `step` counts from 1."""
    decay = min(EMA_DECAY, (1 + step) / (20 + step))
    for averaged, current in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if averaged.is_floating_point():
            averaged.lerp_(current, 1 - decay)
        else:
            averaged.copy_(current)


class Trainer:
    """State and steps of one process. Rank 0 also keeps the moving average, logs, validates and writes files."""

    def __init__(self, rank: int, job: Job) -> None:
        torch.manual_seed(job.settings.seed)
        self.job = job
        self.settings = job.settings
        self.is_first = rank == 0
        # Every process draws its own samples.
        self.rng = Rng(job.settings.seed * 1000 + rank)
        self.recipe = job.settings.recipe
        self.sampler = Sampler(job.pool, job.fonts, self.rng, self.recipe)
        self.grids = {size: cell_grid(size) for size in self.recipe.crop_sizes}
        self.step = 0
        self.losses: list[LossParts] = []
        net = PlateNet()
        if not job.resume:
            load = load_detector if job.starts_from_detector else load_yunet
            if job.starts_from_detector:
                self._mine(job.start_weights)
            took_over_bias = load(net, job.start_weights)
            samples = self._make_batch(CALIBRATION_SAMPLES, self.recipe.crop_sizes[0])
            calibrate_norms(net, samples.images, took_over_bias)
            self._copy_from_first(net)
        self.net = net.to(memory_format=torch.channels_last).train()
        self.average = copy.deepcopy(self.net).eval()
        self.optimiser = make_optimiser(self.net, self.recipe.peak_learning_rate)
        self.parameters = [parameter for group in self.optimiser.param_groups for parameter in group["params"]]
        elapsed_seconds = self._resume(rank) if job.resume else 0.0
        self.started = time.monotonic() - elapsed_seconds

    @staticmethod
    def _copy_from_first(net: nn.Module) -> None:
        """Processes calibrated on different samples; all start from the result of the first."""
        for tensor in [*net.parameters(), *(buffer for buffer in net.buffers() if buffer.is_floating_point())]:
            dist.broadcast(tensor.data, 0)

    def _resume(self, rank: int) -> float:
        """Take over the checkpoint; returns the seconds the run had taken."""
        may_differ = ("steps",) if self.job.new_end else ()
        saved = checkpoint.load(self.job.out, dataclasses.asdict(self.settings), may_differ)
        if saved["step"] > self.settings.steps:
            raise ValueError(f"the run is at step {saved['step']} already, expected an end after it")
        checkpoint.restore_process_state(saved["processes"][rank], self.net, self.rng)
        self.optimiser.load_state_dict(saved["optimiser"])
        self.step = saved["step"]
        self.average.load_state_dict(saved["average"])
        if self.job.starts_from_detector and self.step != self._last_mined_step():
            mined = self._last_mined_step()
            self._mine(self._miner_path(mined) if mined else self.job.start_weights)
        return saved["elapsed_seconds"]

    def run(self) -> None:
        """Train to the last step, then write `final.pt` and `plate.onnx`."""
        if self.job.resume:
            self._log(f"resumed, to end at step {self.settings.steps}")
        while self.step < self.settings.steps:
            if self.step and self.step == self._last_mined_step():
                self._mine_again()
            self._train_step()
            if self.is_first:
                update_moving_average(self.average, self.net, self.step)
                self._log_losses()
            last = self.step == self.settings.steps
            if last or self.step % self.job.checkpoint_every == 0:
                self._save_checkpoint()
            if self.is_first and not last and self.step % self.job.validate_every == 0:
                self._validate("VAL", self.job.out / "last.onnx")
        if self.is_first:
            torch.save(self.average.state_dict(), self.job.out / "final.pt")
            self._validate("FINAL", self.job.out / "plate.onnx")
        dist.barrier()

    def _make_batch(self, count: int, size: int) -> Batch:
        return make_batch(self.sampler, count, size, self.recipe.background_beyond)

    def _mine(self, model: pathlib.Path) -> None:
        """Let a detector look through the training photos, each process through its part of them."""
        parts = self.settings.processes
        finds: list[Any] = [None] * parts
        dist.all_gather_object(finds, self.job.pool.mine(Miner(model), dist.get_rank(), parts))
        self.job.pool.learn_finds(finds)

    def _mine_again(self) -> None:
        """With the moving average as it is. Its file stays, for a resumed run to mine with."""
        path = self._miner_path(self.step)
        if self.is_first:
            export(self.average, path)
        dist.barrier()
        self._mine(path)
        self._log(f"mined anew, {len(self.job.pool.with_mistakes)} photos with mistakes")

    def _miner_path(self, step: int) -> pathlib.Path:
        return self.job.out / f"miner_{step}.onnx"

    def _last_mined_step(self) -> int:
        every = self.recipe.mine_every
        return self.step // every * every if every else 0

    def _train_step(self) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.settings.steps, self.recipe)
        size = self.recipe.crop_size(self.step)
        batch = self._make_batch(self.recipe.batch(self.step, self.settings.batch), size)
        with torch.autocast("cpu", torch.bfloat16):
            maps = self.net.feature_maps(batch.images)
        loss, parts = detection_loss(maps, batch, self.grids[size])
        self.optimiser.zero_grad()
        loss.backward()
        average_gradients(self.parameters)
        nn.utils.clip_grad_norm_(self.parameters, MAX_GRADIENT_NORM)
        self.optimiser.step()
        self.step += 1
        self.losses.append(parts)

    def _save_checkpoint(self) -> None:
        processes = checkpoint.gather_process_states(self.net, self.rng)
        if processes is None:
            return
        state: dict[str, Any] = {
            "settings": dataclasses.asdict(self.settings),
            "step": self.step,
            "elapsed_seconds": time.monotonic() - self.started,
            "processes": processes,
            "average": dict(self.average.state_dict()),
            "optimiser": self.optimiser.state_dict(),
        }
        checkpoint.save(self.job.out, state)

    def _validate(self, label: str, path: pathlib.Path) -> None:
        """Export the moving average and log its figures on the validation photos."""
        export(self.average, path)
        summary = validation_summary(path, self.job.validation)
        per_process = sum(self.recipe.batch(step, self.settings.batch) for step in range(self.step))
        samples = per_process * self.settings.processes
        self._log(f"samples {samples} {label} {json.dumps(summary)}")

    def _log_losses(self) -> None:
        if self.step % LOG_EVERY == 0:
            means = np.mean(self.losses, 0)
            self._log("obj {:.3f} cls {:.3f} box {:.3f} iou {:.3f}".format(*means))
            self.losses.clear()

    def _log(self, text: str) -> None:
        """One line to the screen and to `log.txt`."""
        if not self.is_first:
            return
        minutes = (time.monotonic() - self.started) / 60
        line = f"{minutes:.1f}min step {self.step} {text}"
        print(line, flush=True)
        with (self.job.out / "log.txt").open("a", encoding="utf-8") as log:
            log.write(line + "\n")


def train_process(rank: int, job: Job, rendezvous: pathlib.Path) -> None:
    """Entry point of one process. `rendezvous` is a file that does not exist yet, where processes find each other."""
    # Torch sends SIGINT when the parent dies; a shell that starts jobs in the background leaves that signal ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=job.settings.processes)
    Trainer(rank, job).run()
    dist.destroy_process_group()
