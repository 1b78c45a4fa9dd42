"""What differs between the stages of training: the samples and how fast they are learned."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """The defaults are those of the first stage, from YuNet_n. README.md has the flags of the others.

    What is off by default draws nothing from chance then: the first stage stays what it was.
    """

    crop_sizes: tuple[int, ...] = (320,)  # pixels; steps take them in turn
    min_plate_width: int = 9  # pixels in the crop
    max_plate_width: int = 200  # pixels in a crop of the first size; larger ones show larger plates
    negative_share: float = 0.12  # crops of photos without plates
    mistaken_share: float = 0.0  # crops round mistakes of an earlier detector; such a crop is no other
    mine_every: int = 0  # steps after which the detector as it is then looks for mistakes; 0: only before the first
    replaced_share: float = 0.0  # labelled plates with a rendered one pasted over them
    pattern_share: float = 0.0  # drawn patterns instead of photos without plates, and instead of signs
    dark_share: float = 0.0  # underexposed crops
    restores_shape: bool = False  # photos that were squashed to squares are drawn out again, by chance
    # A stride takes for background what is so many times wider or narrower than what it learns; 0: it ignores that.
    background_beyond: float = 0.0
    peak_learning_rate: float = 2e-3
    warm_up_steps: int = 150

    def crop_size(self, step: int) -> int:
        return self.crop_sizes[step % len(self.crop_sizes)]

    def batch(self, step: int, first_batch: int) -> int:
        """Crops of this step: about as many pixels as `first_batch` crops of the first size have."""
        return max(1, int(first_batch * (self.crop_sizes[0] / self.crop_size(step)) ** 2 + 0.5))

    def widest(self, crop_size: int) -> float:
        """The largest plate width in a crop of that size, in pixels."""
        return self.max_plate_width * crop_size / self.crop_sizes[0]
