"""What counts as above chance: permutations tell what chance gives, the bootstrap how sure a share is."""

from dataclasses import asdict, dataclass

import numpy as np

DRAWS = 2000


@dataclass(frozen=True)
class Figure:
    """A share with its 95 % interval, beside what chance gives and the upper end of that."""

    share: float
    low: float
    high: float
    chance: float
    chance_high: float
    p: float  # how often chance gives as much
    count: int

    def to_json(self) -> dict[str, float]:
        return asdict(self)


def bootstrap(hits: np.ndarray, sizes: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """95 % interval of sum(hits) / sum(sizes), drawing plates (or faces) anew."""
    drawn = rng.integers(len(hits), size=(DRAWS, len(hits)))
    shares = hits[drawn].sum(axis=1) / np.maximum(1, sizes[drawn].sum(axis=1))
    return float(np.quantile(shares, 0.025)), float(np.quantile(shares, 0.975))


def by_permutation(hits: np.ndarray, sizes: np.ndarray, seed: int = 1) -> Figure:
    """`hits[i, j]`: what the reading of i has in common with the truth of j, whose size is `sizes[j]`.

    Chance is the same readings beside the truths of others.
    """
    rng = np.random.default_rng(seed)
    own = np.diag(hits)
    share = own.sum() / sizes.sum()
    permuted = np.empty(DRAWS)
    for draw in range(DRAWS):
        order = rng.permutation(len(sizes))
        permuted[draw] = hits[np.arange(len(sizes)), order].sum() / sizes.sum()
    low, high = bootstrap(own, sizes, rng)
    p = (1 + (permuted >= share - 1e-12).sum()) / (DRAWS + 1)
    return Figure(share, low, high, permuted.mean(), float(np.quantile(permuted, 0.975)), p, int(sizes.sum()))


def against(chance: float, hits: np.ndarray, size: int, seed: int = 1) -> Figure:
    """Hits of each plate out of `size` characters, where chance is known."""
    rng = np.random.default_rng(seed)
    sizes = np.full(len(hits), size)
    low, high = bootstrap(hits, sizes, rng)
    tries = int(sizes.sum())
    lucky = rng.binomial(tries, chance, DRAWS) / tries
    share = hits.sum() / tries
    p = (1 + (lucky >= share - 1e-12).sum()) / (DRAWS + 1)
    return Figure(float(share), low, high, chance, float(np.quantile(lucky, 0.975)), p, tries)
