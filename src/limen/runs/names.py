"""File names for ids and labels: any text in, one safe path component out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from urllib.parse import quote

from limen.errors import UsageError

ORIGINAL = "original"
"""The folder of the images before any attack."""

_LONGEST_NAME = 200  # with a hash and a suffix still below the 255 bytes of common file systems
_LONGEST_FOLDER = 80
_SAFE_FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=-]{0,119}")


def image_name(image_id: str) -> str:
    """The file name of an image: its id percent-encoded, and a very long id cut and hashed.

    A hashed name is longer than any other, so the two never meet.

    Raises:
        UsageError: If the id is not valid Unicode.

    Example:
        >>> image_name("cats/../tom 1.jpg")
        'cats%2F..%2Ftom%201.jpg.png'
    """
    try:
        name = quote(image_id, safe="")
    except UnicodeEncodeError:
        raise UsageError(f"image id {image_id!r} is not valid Unicode; rename the file") from None
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME - 60]}~{hashlib.sha256(image_id.encode()).hexdigest()}"
    return f"{name}.png"


def attack_folder(label: str, taken: Collection[str]) -> str:
    """A folder name that a person recognises the attack by, and that no other attack of the run has.

    Args:
        label: The attack's label, any text.
        taken: Folder names of the run's other attacks.

    Example:
        >>> attack_folder("pgd_l2:eps=3,steps=40", taken=[])
        'pgd_l2-eps=3-steps=40'
    """
    slug = re.sub(r"[^A-Za-z0-9._=-]+", "-", label).strip("-.=")
    # Some file systems ignore case, so names must differ in more than that.
    lowered = {ORIGINAL, *(name.lower() for name in taken)}
    if slug and len(slug) <= _LONGEST_FOLDER and slug.lower() not in lowered:
        return slug
    digest = hashlib.sha256(label.encode(errors="surrogatepass")).hexdigest()
    return f"{slug[:_LONGEST_FOLDER].rstrip('-.=') or 'attack'}-{digest[:12]}"


def is_safe_folder(name: str) -> bool:
    """Whether a folder name read from a file stays inside the run and off the originals.

    Example:
        >>> is_safe_folder("fgsm"), is_safe_folder("../../etc")
        (True, False)
    """
    return _SAFE_FOLDER.fullmatch(name) is not None and name.lower() != ORIGINAL
