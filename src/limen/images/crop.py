"""The square that a network is shown of a larger picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from PIL import Image

from limen.errors import UnknownNameError, UsageError, shown
from limen.safety import MOST_SIDE, UnsafeError

Interpolation = Literal["bicubic", "bilinear", "lanczos"]
"""How pixels are resized; each filter is widened where a picture is made smaller, so that nothing aliases."""

_MOST_PIXELS = 2**28


@dataclass(frozen=True)
class Crop:
    """A picture resized to a square, or the square in the centre of a picture that was resized.

    Attributes:
        size: The side of the square in pixels; None for the picture as it is.
        resize: What the shorter side becomes before the square is cut out; None to resize the whole picture
            to the square.
        interpolation: How.

    Raises:
        UsageError: If a number is under 1 or over `limen.safety.MOST_SIDE`, or `resize` under `size`.
        UnknownNameError: If there is no such interpolation.

    Example:
        >>> picture = Image.new("L", (40, 30))
        >>> Crop(8, 10)(picture).size, Crop()(picture).size, Crop(8, 10).resized(30, 40)
        ((8, 8), (40, 30), (10, 13))
    """

    size: int | None = None
    resize: int | None = None
    interpolation: Interpolation = "bicubic"

    def __post_init__(self) -> None:
        for name, side in (("size", self.size), ("resize", self.resize)):
            if side is not None and (type(side) is not int or not 1 <= side <= MOST_SIDE):
                raise UsageError(
                    f"{name} is {shown(side)}; expected a number of pixels from 1 to {MOST_SIDE}"
                )
        if self.resize is not None and (self.size is None or self.resize < self.size):
            raise UsageError(
                f"resize={self.resize} is what the shorter side becomes before a square is cut out; give the "
                "side of the square too, at most as much, as in size=224,resize=256"
            )
        if self.interpolation not in get_args(Interpolation):
            raise UnknownNameError("interpolation", self.interpolation, get_args(Interpolation))

    @classmethod
    def chosen(
        cls, size: int | None, resize: int | None, interpolation: Interpolation, own: Crop | None
    ) -> Crop:
        """What a data set's options ask for, or the model's own crop where they ask for none."""
        return own if own and size is None and resize is None else cls(size, resize, interpolation)

    @property
    def stated(self) -> dict[str, int | str | None]:
        """The values by which a spec says it; None for what it may leave out."""
        unusual = None if self.interpolation == Crop.interpolation else self.interpolation
        return {"size": self.size, "resize": self.resize, "interpolation": unusual}

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the whole picture when it has been resized, before a square is cut out."""
        if self.size is None:
            return height, width
        if self.resize is None:
            return self.size, self.size
        shorter = min(height, width)
        return height * self.resize // shorter, width * self.resize // shorter

    def corner(self, height: int, width: int) -> tuple[int, int]:
        """Row and column of the square's first pixel in the resized picture, rounded as torchvision does."""
        if self.size is None:
            return 0, 0
        rows, columns = self.resized(height, width)
        return round((rows - self.size) / 2), round((columns - self.size) / 2)

    def __call__(self, picture: Image.Image, resampling: Image.Resampling | None = None) -> Image.Image:
        """The square of a picture.

        Args:
            picture: The picture.
            resampling: How, in place of the interpolation, as for masks.

        Raises:
            UnsafeError: If the picture is so narrow that it would not fit into memory when resized.
        """
        width, height = picture.size
        rows, columns = self.resized(height, width)
        if rows * columns > max(_MOST_PIXELS, height * width):
            raise UnsafeError(f"it would have {columns}×{rows} pixels when resized")
        top, left = self.corner(height, width)
        how = Image.Resampling[self.interpolation.upper()] if resampling is None else resampling
        resized = picture if (rows, columns) == (height, width) else picture.resize((columns, rows), how)
        if self.size is None or resized.size == (self.size, self.size):
            return resized
        return resized.crop((left, top, left + self.size, top + self.size))
