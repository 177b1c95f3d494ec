"""Write a study: one folder for people to open in a browser, and beside it the key."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from limen import __version__
from limen.errors import LimenError, UnknownNameError, UsageError, reason
from limen.runs import Run, open_run
from limen.runs.files import decode_png, encode_png, make_folders, sync_folder, write_whole, writing
from limen.safety import check_count, read_bytes, resolved
from limen.study import checks as attention
from limen.study import pages
from limen.study.design import After, Design, Task, schedule, trials_of, usual_zoom
from limen.study.key import CHECK, FILE, FORMAT, Key, Picture, Trial, file_name, read_key

PAGE = "page"
"""The folder of what people see, in that of a study."""

Contents = dict[tuple[str | None, str], bytes]
"""The bytes of pictures' files by attack and image; None for originals, `CHECK` for what nobody misses."""

_MOST_PICTURES = 10_000  # whose numbers have four digits


@dataclass(frozen=True)
class Made:
    """A study on disk.

    Attributes:
        key: What it shows to whom.
        page: The page that opens it, in the folder that people are given.
        key_file: The file that they are not given.
    """

    key: Key
    page: Path
    key_file: Path


def make_study(
    run: Path | str,
    out: Path | str,
    *,
    task: Task = "same-different",
    attacks: Sequence[str] = (),
    limit: int | None = None,
    observers: int = 100,
    trials: int | None = None,
    same: float = 0.5,
    checks: int | None = None,
    view: int = 5000,
    after: After = "blank",
    zoom: int | None = None,
    title: str = "Do you see a difference?",
    texts: Path | str | None = None,
    post: str | None = None,
    seed: int = 0,
) -> Made:
    """Make a study of a run: a page that asks people whether they see what attacks did.

    The folder gets `page/`, which is given to people and opens from disk in any browser, and `key.json`,
    which is not: there the files of pictures have names that say nothing. Pictures are the run's own files,
    byte for byte.

    Args:
        run: Folder of the run.
        out: Folder of the study.
        task: "same-different", "2afc" (which of the two was altered?) or "match" (which of the two equals
            the original, which is shown, too?).
        attacks: Labels of the attacks to ask about; all of the run if none is given.
        limit: How many photographs to show at most, drawn from the seed; each is one that every one of these
            attacks fooled the model with.
        observers: For how many people trials are drawn; further ones get those of earlier ones.
        trials: How many pairs an observer sees; all, but at most 80, if not given.
        same: Which share of them is identical, where the task is same-different.
        checks: How many further pairs each observer sees that nobody can miss, as a picture is half hidden
            behind noise; 8, or as many as there are photographs, if not given.
        view: For how many milliseconds a pair is seen; 0 until the answer.
        after: What follows: "blank", "mask" for noise, or "stay" for the pictures.
        zoom: How many pixels of a style sheet a pixel of a picture takes to each side, rounded to whole
            pixels of the screen; if not given, as many as make the greatest picture nearest to 224.
        title: What people are told that it is.
        texts: A file with consent, instructions and words in place of Limen's; see `default_texts`.
        post: Where the page sends answers to; they are saved as a file where none is given, or it fails.
        seed: Seed of everything that is drawn.

    Raises:
        UsageError: If an argument is wrong, fewer than two photographs are at hand, or the folder holds
            another study.
        RunError: If the run cannot be read, or a file cannot be written.
    """
    stored, out = open_run(run), Path(out)
    _check_address(post)
    labels = _chosen(stored, attacks)
    ids = _photographs(stored, labels, limit, seed)
    count, identical = trials_of(task, len(ids), len(labels), trials, same)
    largest = _sizes(stored, ids)
    zoom = usual_zoom(*largest) if zoom is None else zoom
    checks = min(attention.USUAL, len(ids)) if checks is None else check_count("checks", checks, len(ids), 0)
    design = Design(task, observers, count, identical, checks, view, after, zoom, seed)
    contents = _contents(stored, labels, ids)
    if checks:
        contents |= _checks(stored, ids, seed)
    key = _key(stored, title, design, labels, contents)
    _refuse_other(out, key)
    files = pages.rendered(key, texts, post, largest)
    files |= {file_name(number): contents[each.attack, each.id] for number, each in enumerate(key.pictures)}
    folder = out / PAGE
    make_folders(out, [out, *sorted({(folder / name).parent for name in files})])
    for name, content in files.items():
        write_whole(folder / name, content)
    for each in sorted({(folder / name).parent for name in files}):
        sync_folder(each)
    write_whole(out / FILE, key.to_json().encode(errors="backslashreplace"))
    return Made(key, folder / pages.INDEX, out / FILE)


def default_texts() -> str:
    """Limen's own consent, instructions and words, as a file to change and give to `make_study`.

    Example:
        >>> '<template id="consent">' in default_texts()
        True
    """
    return pages.browser_file(pages.TEXTS)


def _check_address(post: str | None) -> None:
    if post is None:
        return
    try:
        parts = urlsplit(post)
        known = parts.scheme in ("http", "https") and parts.hostname
    except ValueError:
        known = False
    if not known or set(post) & set(" \t\r\n\"';,<>"):
        raise UsageError(
            f"answers cannot be sent to {post!r:.80}; give an address such as https://my.org/answers"
        )


def _chosen(run: Run, attacks: Sequence[str]) -> list[str]:
    known = run.manifest.labels
    for each in attacks:
        if each not in known:
            raise UnknownNameError("attack of this run", each, known)
    labels = [each for each in known if not attacks or each in attacks]
    if not labels:
        raise UsageError(f"{run.directory}: the run has no attack to ask about")
    return labels


def _photographs(run: Run, labels: Sequence[str], limit: int | None, seed: int) -> list[str]:
    """The photographs that the model had right and every attack fooled it with, in an order by lot."""
    fooled: dict[str, set[str]] = {label: set() for label in labels}
    records = run.table().select(["attack", "id", "success", "label", "clean_prediction"]).to_pylist()
    for row in records:
        if row["attack"] in fooled and row["success"] and row["label"] == row["clean_prediction"]:
            fooled[row["attack"]].add(row["id"])
    common = sorted(set.intersection(*fooled.values()))
    chosen = np.random.default_rng((seed, 0, 1)).permutation(common).tolist()[:limit]
    if len(chosen) < 2:
        counts = ", ".join(f"{label}: {len(found)}" for label, found in fooled.items())
        raise UsageError(
            f"only {len(chosen)} photographs are fooled by every attack ({counts}), and a study needs two; "
            "name fewer attacks by --attack, or attack more images"
        )
    if len(chosen) * (len(labels) + 2) > _MOST_PICTURES:
        raise UsageError(f"more than {_MOST_PICTURES} pictures; give a lower --limit, or fewer attacks")
    return chosen


def _contents(run: Run, labels: Sequence[str], ids: Sequence[str]) -> Contents:
    """What the files of the originals, and of what each attack made of them, hold."""
    paths = {(None, each): run.original_path(each) for each in ids}
    paths |= {(label, each): run.image_path(label, each) for label in labels for each in ids}
    root, contents = resolved(run.directory), {}
    for place, path in paths.items():
        try:
            contents[place] = read_bytes(path, root)
        except OSError as error:
            raise LimenError(f"{path}: this image of the run cannot be read ({reason(error)})") from error
    return contents


def _checks(run: Run, ids: Sequence[str], seed: int) -> Contents:
    """What the files of pictures hold that nobody can miss."""
    root = resolved(run.directory)
    pixels = {each: decode_png(run.original_path(each), root) for each in ids}
    return {
        (CHECK, each): encode_png(attention.disturbed(image, seed + place))
        for place, (each, image) in enumerate(pixels.items())
    }


def _key(run: Run, title: str, design: Design, labels: Sequence[str], contents: Contents) -> Key:
    manifest = run.manifest
    distances = _distances(run)
    places = list(contents)
    order = np.random.default_rng((design.seed, 0, 2)).permutation(len(places)).tolist()
    pictures = []
    for attack, image in (places[number] for number in order):
        digest = hashlib.sha256(contents[attack, image]).hexdigest()
        pictures.append(Picture(image, attack, digest, distances.get((attack, image), {})))
    numbers = {(each.attack, each.id): number for number, each in enumerate(pictures)}
    ids = [image for attack, image in places if attack is None]
    plans = []
    kinds = [*labels, CHECK]
    for trials in schedule(design, len(ids), len(labels)):
        plan = []
        for each in trials:
            image = ids[each.photograph]
            other = numbers[None if each.attack is None else kinds[each.attack], image]
            sides = numbers[None, image], other
            plan.append(Trial(*(sides if each.right else sides[::-1])))
        plans.append(plan)
    about = (title, str(run.directory), manifest.model.spec, design)
    return Key(FORMAT, __version__, *about, labels, manifest.metrics, pictures, plans)


def _distances(run: Run) -> dict[tuple[str | None, str], dict[str, float]]:
    names = [metric.key for metric in run.manifest.metrics]
    rows = run.table().select(["attack", "id", *names]).to_pylist()
    return {
        (row["attack"], row["id"]): {name: float("nan") if row[name] is None else row[name] for name in names}
        for row in rows
    }


def _sizes(run: Run, ids: Sequence[str]) -> tuple[int, int]:
    """The greatest height and width of the photographs."""
    sizes = [run.original_size(each)[:2] for each in ids]
    return max(height for height, _ in sizes), max(width for _, width in sizes)


def _refuse_other(out: Path, key: Key) -> None:
    """Refuse a folder that holds something else, whose answers would fit no more."""
    with writing(out):
        held = out.is_dir() and any(out.iterdir())
    if not held:
        return
    try:
        found = read_key(out).hash
    except LimenError:
        found = None
    if found != key.hash:
        raise UsageError(f"{out} holds something else, and is kept; choose another --out")
