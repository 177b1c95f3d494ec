"""What every template is rendered with."""

from __future__ import annotations

from functools import cache
from importlib import resources

import jinja2
from markupsafe import Markup

from limen.document import number
from limen.report import palette


@cache
def environment() -> jinja2.Environment:
    """The templates of this room: text is escaped, and a name that nobody gave is an error."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("limen.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(number=number, breakable=breakable, css_class=palette.css_class)
    return made


def breakable(label: str) -> Markup:
    """A spec that breaks over lines after its commas.

    Example:
        >>> str(breakable("pgd_l2:eps=3,steps=40"))
        'pgd_l2:eps=3,<wbr>steps=40'
    """
    return Markup(",<wbr>").join(label.split(","))


def styles(*names: str) -> Markup:
    """These styles, which have the colours and dashes of the palette."""
    return Markup("\n".join([palette.style(), *map(template_file, names)]))  # noqa: S704 - our own files


def template_file(name: str) -> str:
    """The text of a style or a script."""
    return (resources.files("limen.report") / "templates" / name).read_text(encoding="utf-8")
