"""The files that a browser opens: markup, style, scripts, and what to show as data."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import jinja2
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from limen.errors import LimenError, UsageError, reason
from limen.safety import read_text
from limen.study.design import minutes
from limen.study.key import Key, file_name

INDEX = "index.html"
"""The page that people open."""

TEXTS = "texts.html"
"""The file of what is said to people, in the package."""

_COPIED = ("study.css", "study.js", "jspsych/jspsych.js", "jspsych/plugin-preload.js", "jspsych/LICENSE.txt")


def browser_file(name: str) -> str:
    """The text of a file that is shipped for browsers."""
    return (resources.files("limen.study") / "browser" / name).read_text(encoding="utf-8")


def rendered(
    key: Key, texts: Path | str | None, post: str | None, largest: tuple[int, int]
) -> dict[str, bytes]:
    """All files of the page but the pictures, by their names in its folder.

    Args:
        key: The study.
        texts: The file of the user's texts; None for Limen's.
        post: Where answers are sent to; None for nowhere.
        largest: The greatest height and width of the pictures, in their own pixels.

    Raises:
        UsageError: If the file of texts is no template, or lacks a part.
        LimenError: If it cannot be read.
    """
    said = _said(key, texts)
    page = (
        _environment()
        .from_string(browser_file(INDEX))
        .render(
            title=key.title,
            texts=Markup(said),  # noqa: S704 - the user's own file, in which data is escaped
            post=post,
            version=key.limen,
        )
    )
    files = {name: browser_file(name) for name in _COPIED}
    files |= {INDEX: page, "trials.js": _data(key, post, largest)}
    return {name: text.encode(errors="backslashreplace") for name, text in files.items()}


def _data(key: Key, post: str | None, largest: tuple[int, int]) -> str:
    """What the script shows, which says nothing of what was altered."""
    design = key.design
    shown = {
        "study": key.hash,
        "task": design.task,
        "view": design.view,
        "after": design.after,
        "zoom": design.zoom,
        "post": post,
        "height": largest[0],
        "width": largest[1],
        "pictures": [file_name(number) for number in range(len(key.pictures))],
        "schedules": [
            [[trial.left, trial.right, *_above(key, trial.left, trial.right)] for trial in of_one]
            for of_one in key.schedules
        ],
    }
    text = json.dumps(shown).replace("<", "\\u003c")
    return f"window.STUDY = {text};\n"


def _above(key: Key, left: int, right: int) -> list[int]:
    """The original that stands above both, in a task that shows it."""
    if key.design.task != "match":
        return []
    return [next(each for each in (left, right) if key.pictures[each].attack is None)]


def _said(key: Key, texts: Path | str | None) -> str:
    """Consent, instructions and words, with the study's own numbers in them."""
    try:
        template = browser_file(TEXTS) if texts is None else read_text(texts)
        said = (
            _environment()
            .from_string(template)
            .render(
                title=key.title,
                task=key.design.task,
                trials=key.design.trials + key.design.checks,
                seconds=key.design.view / 1000 if key.design.view % 1000 else key.design.view // 1000,
                after=key.design.after,
                minutes=minutes(key.design),
            )
        )
    except (OSError, UnicodeDecodeError) as error:
        raise LimenError(f"{texts}: cannot be read ({reason(error)})") from error
    except jinja2.TemplateError as error:
        raise UsageError(f"{texts}: is no template ({reason(error)}); see limen study texts") from None
    needed = _Ids.of(browser_file(TEXTS))
    if missing := [each for each in needed if each not in _Ids.of(said)]:
        raise UsageError(f'{texts}: lacks <template id="{missing[0]}">; see limen study texts')
    return said


def _environment() -> SandboxedEnvironment:
    return SandboxedEnvironment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


class _Ids(HTMLParser):
    """The names of the templates in a text of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "template":
            self.found += [value for name, value in attrs if name == "id" and value]

    @classmethod
    def of(cls, text: str) -> list[str]:
        parser = cls()
        parser.feed(text)
        return parser.found
