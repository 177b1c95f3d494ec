"""The layers of a network that give feature maps: which there are, and what they give."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from limen.classifier import Classifier
from limen.errors import UnknownNameError, UsageError
from limen.structure.tracing import is_map, modules_of, traced

_NEAREST = 10
_PREFIX = 8  # tokens before those of the patches: the class, a teacher's, registers
_OTHERS = "use gradcam or gradcam++, which need no such head"


def feature_layer(classifier: Classifier, images: Tensor) -> str:
    """The last layer whose output is a feature map (N, C, H, W) with a side above 1.

    That is the last before global pooling or flattening. What attention layers of transformers return is no
    feature map, though it may have four dimensions; what convolutions, poolings and the like take or give is.

    Args:
        classifier: The model.
        images: At least one image that the model takes; the first is sent through it.

    Raises:
        UsageError: If there is no such layer.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 14 * 14, 5))
        >>> feature_layer(Classifier(net), torch.rand(1, 3, 16, 16))
        '1'
    """
    trace = traced(classifier, images)
    if trace.last is None:
        raise UsageError("the model has no layer that gives a feature map (N, C, H, W) above 1×1")
    if trace.in_tokens:
        raise UsageError(
            "the model has no layer that gives a feature map (N, C, H, W) after its last dense layer on "
            "tokens; name one that gives tokens (N, T, C), as in layer=blocks.10 of a ViT: their grid is "
            "used where it is that of the patches"
        )
    return trace.last.layer


def token_grid(classifier: Classifier, images: Tensor, layer: str) -> tuple[int, int] | None:
    """The grid (H, W) of the tokens (N, T, C) that a layer gives; None if it gives a feature map.

    It is that of the last feature map before them, which a transformer cuts into tokens, after up to
    eight further ones such as the class token.

    Args:
        classifier: The model.
        images: At least one image that the model takes; the first is sent through it.
        layer: The dotted name of the layer.

    Raises:
        UsageError: If the layer gives neither a feature map nor tokens of a known grid.
    """
    found = traced(classifier, images, layer)
    if found.given is None:
        return None  # of a layer that was not reached, of which gathering tells
    if found.given.ndim == 4 and found.given.shape[1:] in found.known:
        return None
    if found.given.ndim == 3 and found.grid is not None:
        height, width = found.grid
        if 0 <= found.given.shape[1] - height * width <= _PREFIX:
            return found.grid
    raise UsageError(
        f"layer {layer!r} gives no feature map (N, C, H, W) above 1×1, and no tokens (N, T, C) on the "
        f"grid of the patches, but {tuple(found.given.shape)}; name another"
    )


def pooled_head(classifier: Classifier, images: Tensor, layer: str | None = None) -> tuple[str, Tensor]:
    """The layer whose feature maps a linear head weighs after global average pooling, and the weights (K, C).

    The first image is sent through the model. A layer that is named is the one that the head must belong to.

    Raises:
        UsageError: If the model has no such head.
    """
    found = traced(classifier, images, layer)
    head = found.head
    if head is None or head.before is None:
        raise UsageError(f"CAM needs a feature map before a linear head; {_OTHERS}")
    average = head.before.features.mean((2, 3))
    received = head.received.flatten(2).mean(2) if head.received.ndim == 4 else head.received
    rounding = 1e-4 * float(average.abs().max())
    fits = received.shape == average.shape and torch.allclose(received, average, rtol=1e-3, atol=rounding)
    if not fits or head.layer.weight.shape[0] != found.classes:
        raise UsageError(
            "CAM needs a linear head on the spatial average of its feature maps, and this model's head "
            f"does not receive the average of {head.before.layer!r}; {_OTHERS}"
        )
    return head.before.layer, head.layer.weight.detach().flatten(1)


def check_layer(classifier: Classifier, layer: str | None) -> None:
    """Refuse a layer that the model does not have.

    Raises:
        UnknownNameError: Offers the nearest names.
    """
    names = [name for name in modules_of(classifier) if name]
    if layer is not None and layer not in names:
        # A network has hundreds of layers: only the nearest help.
        raise UnknownNameError(
            "layer", layer, difflib.get_close_matches(layer, names, n=_NEAREST, cutoff=0.0)
        )


@contextmanager
def gathering(
    classifier: Classifier, layer: str, tracked: bool = False, grid: tuple[int, int] | None = None
) -> Iterator[list[Tensor]]:
    """Gather the layer's feature maps, one tensor for each piece of the batch that the model is run on.

    They are leaves that the rest of the network hangs on, so that a backward pass ends there, unless they
    are tracked, and so hang on the images. They are copies, as the network may go on to change its own in
    place. Tokens (N, T, C) are feature maps on their grid, if that is given.
    """
    gathered: list[Tensor] = []
    last: list[Tensor] = []

    def keep(module: nn.Module, args: Any, output: Any) -> Tensor | None:
        if grid is None:
            if not is_map(output):
                return None
            first, maps = None, output
        else:
            first, rest = output.tensor_split([output.shape[1] - grid[0] * grid[1]], 1)
            maps = rest.transpose(1, 2).unflatten(2, grid)
        # A module may be used several times; the last time counts.
        last[:] = [maps.clone() if tracked and maps.requires_grad else maps.detach().requires_grad_()]
        taken = last[0].clone()
        return taken if first is None else torch.cat([first, taken.flatten(2).transpose(1, 2)], 1)

    def close(module: nn.Module, args: Any, output: Any) -> None:
        gathered.extend(last)
        last.clear()

    with (
        modules_of(classifier)[layer].register_forward_hook(keep),
        classifier.module.register_forward_hook(close),
        classifier.unasked(),
    ):
        yield gathered


def maps_of_each_size(classifier: Classifier, images: Tensor) -> list[Tensor]:
    """Of every size that the model's feature maps have, those of the last layer that gives maps of that size.

    They are differentiable in the images, and come in the order in which the sizes first appear. Of a
    classifier that averages over random draws they are the means over these.

    Args:
        classifier: The model.
        images: Images (N, C, H, W) that the model takes; it is run on them once.

    Returns:
        Feature maps (N, C, h, w), those of 1×1 left out.

    Raises:
        UsageError: If no layer gives a feature map.

    Example:
        >>> layers = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
        >>> net = nn.Sequential(*layers, nn.Linear(8 * 8 * 8, 5))
        >>> [tuple(each.shape) for each in maps_of_each_size(Classifier(net), torch.rand(2, 3, 16, 16))]
        [(2, 8, 16, 16), (2, 8, 8, 8)]
    """
    pieces: list[dict[torch.Size, Tensor]] = []
    found: dict[torch.Size, Tensor] = {}

    def keep(module: nn.Module, args: Any, output: Any) -> None:
        if is_map(output):
            found[output.shape[2:]] = output

    def close(module: nn.Module, args: Any, output: Any) -> None:
        pieces.append(dict(found))
        found.clear()

    with ExitStack() as hooks:
        for name, module in classifier.module.named_modules():
            if name:
                hooks.enter_context(module.register_forward_hook(keep))
        hooks.enter_context(classifier.module.register_forward_hook(close))
        hooks.enter_context(classifier.unasked())
        classifier(images)
    if not pieces or not pieces[0]:
        raise UsageError("the model has no layer that gives a feature map (N, C, H, W) above 1×1")
    return [by_draw([piece[size] for piece in pieces], len(images)).mean(0) for size in pieces[0]]


def by_draw(pieces: Sequence[Tensor], count: int) -> Tensor:
    """What a network gave for each piece of a batch, as (D, N, …) for D random draws.

    Args:
        pieces: In the order of the passes: for each draw the whole batch, in one or several pieces.
        count: N, the images of the batch.

    Example:
        >>> by_draw([torch.zeros(2, 3), torch.zeros(1, 3)] * 4, 3).shape
        torch.Size([4, 3, 3])
    """
    joined = torch.cat(tuple(pieces))
    draws = len(joined) // count if count else 1
    return joined.unflatten(0, (draws, count))
