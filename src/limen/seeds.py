"""Random numbers that belong to a sample: they depend on a seed of its own, never on its batch or its order.

A sample's seed is made of the call's seed and of what the sample is: its id where it has one, else what the
image itself holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from limen.images import to_uint8


def sample_seeds(seed: int, ids: Sequence[object]) -> Tensor:
    """One seed per sample from the call's seed and the sample's id, whatever its place in a batch.

    Args:
        seed: The call's seed.
        ids: What tells the samples apart.

    Returns:
        Seeds (N,), int64, at least 0.

    Example:
        >>> bool((sample_seeds(0, ["a", "b"])[1:] == sample_seeds(0, ["b"])).all())
        True
    """
    return _numbers(f"{seed}:{name}".encode() for name in ids)


def content_seeds(seed: int, images: Tensor) -> Tensor:
    """One seed per image from the call's seed and the image's own pixels on 8 bits.

    Args:
        seed: The call's seed.
        images: Images (N, C, H, W) in [0, 1].

    Returns:
        Seeds (N,), int64, at least 0, on the images' device. What a file does not keep of an image, such as
        its dtype, does not change them.

    Example:
        >>> images = torch.rand(2, 3, 8, 8)
        >>> bool((content_seeds(0, images)[1:] == content_seeds(0, images[1:].double())).all())
        True
    """
    head = f"{seed}:{tuple(images.shape[1:])}:".encode()
    return _numbers(head + pixels.tobytes() for pixels in to_uint8(images)).to(images.device)


def draw(
    sampler: Callable[..., Tensor], seeds: Tensor, shape: Sequence[int], dtype: torch.dtype, salt: int = 0
) -> Tensor:
    """Random numbers of one shape per sample, each sample's from its own seed.

    They are drawn on the CPU, so that they are the same on every device.

    Args:
        sampler: `torch.rand` or `torch.randn`.
        seeds: One seed per sample (N,).
        shape: The shape of a sample's numbers.
        dtype: Their dtype.
        salt: Tells draws of one sample apart.

    Returns:
        Numbers (N, *shape) on the device of the seeds.

    Example:
        >>> seeds = sample_seeds(0, ["a", "b"])
        >>> both = draw(torch.rand, seeds, (3, 4), torch.float32)
        >>> torch.equal(both[1:], draw(torch.rand, seeds[1:], (3, 4), torch.float32))
        True
    """
    generator = torch.Generator("cpu")
    drawn = torch.empty((len(seeds), *shape), dtype=dtype, device="cpu")
    for row, seed in enumerate(seeds.tolist()):
        generator.manual_seed((seed + salt * 0x9E3779B97F4A7C15) % 2**63)
        drawn[row] = sampler(shape, generator=generator, dtype=dtype, device="cpu")
    return drawn.to(seeds.device)


def _numbers(names: Iterable[bytes]) -> Tensor:
    digests = (hashlib.blake2b(name, digest_size=8).digest() for name in names)
    numbers = [int.from_bytes(digest) >> 1 for digest in digests]
    return torch.tensor(numbers, dtype=torch.int64, device="cpu")
