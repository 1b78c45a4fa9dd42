#!/usr/bin/env python3
"""Train the plate detector.

    python train.py --photos photos.npz --start-weights yunet_n_dynamic.onnx --out run
    python train.py --photos photos.npz --start detector --start-weights plate.onnx --mistakes 0.18 --out run_2

The second trains an earlier detector further; what that one takes for plates in the training photos becomes hard
negatives, or is ignored where it may be a plate. README.md has the flags of both stages of the shipped weights.

Two processes of one thread each, gradients averaged. Writes to the output folder: `log.txt`, `checkpoint.pt` (go on
from it with --resume and the same flags), and at the end `final.pt` and `plate.onnx`. The weights of the last step are
the result: the validation sets are too small to choose among checkpoints.
"""

import argparse
import pathlib
import sys
import tempfile

import cv2
import torch
import torch.multiprocessing as multiprocessing

import checkpoint
from fonts import find_fonts
from photo_pool import PhotoPool
from photos import read_cache
from recipe import Recipe
from trainer import Job, Settings, train_process

# Share of crops taken from each set; the sets differ in size and in how alike their photos are.
SET_WEIGHTS = {"plates_dashcam_train": 0.35, "plates_web_train": 0.65}
SET_WITHOUT_PLATES = "no_plates"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=pathlib.Path, required=True, help="cache written by prepare.py")
    parser.add_argument("--start-weights", type=pathlib.Path, required=True, help="an ONNX file")
    parser.add_argument("--start", choices=["yunet", "detector"], default="yunet", help="what --start-weights holds")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="output folder, created where missing")
    parser.add_argument(
        "--fonts",
        type=pathlib.Path,
        nargs="+",
        default=[pathlib.Path("/usr/share/fonts")],
        help="folders searched for fonts",
    )
    parser.add_argument("--steps", type=int, default=3386)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--batch", type=int, default=10, help="crops a process and step")
    add_recipe(parser)
    parser.add_argument("--checkpoint-every", type=int, default=100, help="steps")
    parser.add_argument("--validate-every", type=int, default=620, help="steps")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in the output folder")
    parser.add_argument(
        "--new-end", action="store_true", help="with --resume: end at other --steps, with the learning rate down there"
    )
    arguments = parser.parse_args()
    if arguments.mistakes > 0 and arguments.start != "detector":
        parser.error("`--mistakes` needs a detector that makes them: `--start detector`")
    if arguments.new_end and not arguments.resume:
        parser.error("`--new-end` goes with `--resume`")
    return arguments


def add_recipe(parser: argparse.ArgumentParser) -> None:
    first = Recipe()
    parser.add_argument(
        "--crop-size",
        type=int,
        nargs="+",
        default=list(first.crop_sizes),
        help="pixels, multiples of 64; steps take several in turn, with fewer crops of larger ones",
    )
    parser.add_argument("--min-plate-width", type=int, default=first.min_plate_width, help="pixels in the crop")
    parser.add_argument(
        "--max-plate-width", type=int, default=first.max_plate_width, help="pixels in a crop of the first size"
    )
    parser.add_argument("--negatives", type=float, default=first.negative_share, help="share of crops without plates")
    parser.add_argument(
        "--mistakes", type=float, default=first.mistaken_share, help="share of crops round what the detector mistook"
    )
    parser.add_argument(
        "--mine-every", type=int, default=first.mine_every, help="steps after which to look for mistakes anew; 0: never"
    )
    parser.add_argument(
        "--replaced", type=float, default=first.replaced_share, help="share of plates with a rendered one over them"
    )
    parser.add_argument(
        "--patterns", type=float, default=first.pattern_share, help="share of drawn patterns among negatives and signs"
    )
    parser.add_argument("--dark", type=float, default=first.dark_share, help="share of underexposed crops")
    parser.add_argument("--restore-shape", action="store_true", help="draw out photos that were squashed to squares")
    parser.add_argument(
        "--background-beyond",
        type=float,
        default=first.background_beyond,
        help="a stride takes for background what is so many times wider or narrower than what it learns; 0: never",
    )
    parser.add_argument("--learning-rate", type=float, default=first.peak_learning_rate, help="the highest")
    parser.add_argument("--warm-up", type=int, default=first.warm_up_steps, help="steps")


def check_output_folder(folder: pathlib.Path, resume: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    exists = (folder / checkpoint.FILE_NAME).exists()
    if resume and not exists:
        sys.exit(f"`{folder}` holds no {checkpoint.FILE_NAME} to resume from")
    if exists and not resume:
        sys.exit(f"`{folder}` holds a run already: go on with it by --resume, or choose another folder")


def use_one_thread() -> None:
    """To be called before anything is computed: a thread pool does not survive a fork, and waiting for it hangs."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def main() -> None:
    arguments = parse_arguments()
    check_output_folder(arguments.out, arguments.resume)
    use_one_thread()
    splits = read_cache(arguments.photos)
    groups = [
        (weight, [photo for photo in splits["train"] if photo.dataset == name]) for name, weight in SET_WEIGHTS.items()
    ]
    without_plates = [photo for photo in splits["train"] if photo.dataset == SET_WITHOUT_PLATES]
    recipe = Recipe(
        crop_sizes=tuple(arguments.crop_size),
        min_plate_width=arguments.min_plate_width,
        max_plate_width=arguments.max_plate_width,
        negative_share=arguments.negatives,
        mistaken_share=arguments.mistakes,
        mine_every=arguments.mine_every,
        replaced_share=arguments.replaced,
        pattern_share=arguments.patterns,
        dark_share=arguments.dark,
        restores_shape=arguments.restore_shape,
        background_beyond=arguments.background_beyond,
        peak_learning_rate=arguments.learning_rate,
        warm_up_steps=arguments.warm_up,
    )
    job = Job(
        settings=Settings(arguments.steps, arguments.seed, arguments.processes, arguments.batch, recipe),
        pool=PhotoPool(groups, without_plates),
        validation=splits["validation"],
        fonts=find_fonts(arguments.fonts),
        start_weights=arguments.start_weights,
        starts_from_detector=arguments.start == "detector",
        out=arguments.out,
        checkpoint_every=arguments.checkpoint_every,
        validate_every=arguments.validate_every,
        resume=arguments.resume,
        new_end=arguments.new_end,
    )
    with tempfile.TemporaryDirectory() as folder:
        rendezvous = pathlib.Path(folder) / "rendezvous"
        # Forked processes share the photos instead of copying them.
        multiprocessing.start_processes(
            train_process, (job, rendezvous), nprocs=arguments.processes, start_method="fork"
        )


if __name__ == "__main__":
    main()
