"""What is raised where weights cannot be had."""

from __future__ import annotations

from limen.errors import LimenError


class WeightsError(LimenError):
    """A file of weights is missing, broken, or made for another network."""
