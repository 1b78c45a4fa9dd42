"""What differs between the stages of training: the samples and how fast they are learned."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """The defaults are those of the first stage, from YuNet_n. README.md has the flags of the second."""

    crop_size: int = 320  # pixels
    max_plate_width: int = 200  # pixels in the crop
    negative_share: float = 0.12  # crops of photos without plates
    mistaken_share: float = 0.0  # crops round mistakes of an earlier detector; such a crop is no other
    peak_learning_rate: float = 2e-3
    warm_up_steps: int = 150
