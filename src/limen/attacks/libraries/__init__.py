"""Attacks that are not Limen's: of other libraries, and functions of images, measured as Limen's are."""

from __future__ import annotations

from limen.attacks.libraries.advlib import ADVLIB
from limen.attacks.libraries.art import ART
from limen.attacks.libraries.foolbox import FOOLBOX
from limen.attacks.libraries.own import from_function
from limen.attacks.libraries.tool import Tool
from limen.attacks.libraries.torchattacks import TORCHATTACKS

LIBRARIES: dict[str, Tool] = {tool.prefix: tool for tool in (FOOLBOX, TORCHATTACKS, ADVLIB, ART)}
"""The libraries whose attacks a spec names, by what it begins with."""

__all__ = ["LIBRARIES", "Tool", "from_function"]
