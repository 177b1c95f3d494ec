"""What every template is rendered with."""

from __future__ import annotations

from functools import cache
from importlib import resources

import jinja2

from limen.report.metrics import number


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
    made.filters["number"] = number
    return made


def template_file(name: str) -> str:
    """The text of a style or a script."""
    return (resources.files("limen.report") / "templates" / name).read_text(encoding="utf-8")
