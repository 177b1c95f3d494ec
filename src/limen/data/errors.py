"""What is raised where a data set cannot be used."""

from __future__ import annotations

from limen.errors import LimenError


class DataError(LimenError):
    """A data set cannot be used as it is; the message names the file or folder and the cure."""
