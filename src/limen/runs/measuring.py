"""Write an evaluation of a run: part by part, again and again until done, and then whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from limen.document import Document, pictures_of, to_json
from limen.errors import UsageError
from limen.identity import Identity
from limen.runs.evaluations import (
    DOCUMENT,
    HEADER,
    PICTURES,
    RECORDS,
    Header,
    Stored,
    folder_of,
    picture_name,
    read_header,
    read_rows,
)
from limen.runs.files import (
    RunError,
    encode_parquet,
    locked,
    make_folders,
    sync_folder,
    unfinished,
    write_pngs,
    write_whole,
    writing,
)
from limen.runs.reader import Run
from limen.safety import check_inside, resolved

Pair = tuple[str, str]
"""An attack's label and an image's id."""

_PARTS = "parts"


@dataclass(frozen=True)
class Part:
    """What was measured of some images.

    Attributes:
        records: Rows with the columns `attack` and `id`, all those of an attack and image in one part; rows
            of a later part replace them. None for pictures alone.
        pictures: Pixels (H, W, C) uint8 by the attack's label, None for the original, and the image's id.
    """

    records: pa.Table | None = None
    pictures: Mapping[tuple[str | None, str], np.ndarray] = field(default_factory=dict)


class Measurement:
    """An evaluation that this process alone may write; made by `measuring`.

    It goes on where an earlier one of the same evaluation ended, finished or not.
    """

    def __init__(self, run: Run, identity: Identity, limit: int | None) -> None:
        self.run = run
        self.folder = folder_of(run, identity)
        self._header = Header(identity=identity, attacks=run.manifest.labels, limit=limit)
        self._work = unfinished(self.folder)
        ranks = {label: rank for rank, label in enumerate(run.manifest.labels)}
        # A sort that keeps the order of the images within an attack.
        pairs = sorted(_pairs(run.table()), key=lambda pair: ranks[pair[0]])
        self._order = {pair: place for place, pair in enumerate(pairs)}
        self._resume()

    @property
    def finished(self) -> frozenset[Pair]:
        """The attacks and images that have rows now."""
        return frozenset(self._finished)

    def __contains__(self, pair: Pair) -> bool:
        """Whether an attack and image have rows."""
        return pair in self._finished

    def note(self, name: str, value: str) -> None:
        """Keep what the values depend on besides the options; call it before any part is written.

        Where an earlier process noted another value, nothing that it measured counts.
        """
        if self._header.notes.get(name, value) != value:
            self._start()
        self._header = replace(self._header, notes={**self._header.notes, name: value})
        write_whole(self._work / HEADER, self._header.to_json().encode())

    def write(self, part: Part) -> None:
        """Store a part, whole or not at all.

        Raises:
            UsageError: If rows are of no attack and image of the run, or pictures are not 8-bit.
            RunError: If the folder cannot be written.
        """
        folder = self._work / PICTURES
        write_pngs({folder / picture_name(self.run, *each): pixels for each, pixels in part.pictures.items()})
        if part.records is None or not part.records.num_rows:
            return
        found = set(_pairs(part.records))
        strangers = found.difference(self._order)
        if strangers:
            raise UsageError(f"an evaluation measured {min(strangers)}, which the run has no record of")
        write_whole(self._work / _PARTS / f"{self._next:08d}.parquet", encode_parquet(part.records))
        self._next += 1
        self._finished |= found

    def finish(self, wanted: frozenset[Pair], describe: Callable[[Stored], Document]) -> Stored:
        """Put all parts together, and the folder in its place.

        Args:
            wanted: The attacks and images that count; rows of others, left by an earlier process, go.
            describe: Says what was found.

        Raises:
            UsageError: If the parts do not fit together, or the document names pictures that are not there.
            RunError: If the folder cannot be written; an older evaluation is then still whole.
        """
        records = encode_parquet(self._table(wanted))
        write_whole(self._work / RECORDS, records)
        stored = Stored(self.run, self._work, self._header)
        document = describe(stored)
        made = unfinished(self.folder.with_name(f"{self.folder.name}.new"))
        with writing(self.folder.parent):
            shutil.rmtree(made, ignore_errors=True)
            (made / PICTURES).mkdir(parents=True)
            for picture in sorted(set(pictures_of(document))):
                if picture.parent != self._work / PICTURES or not picture.is_file():
                    raise UsageError(f"a document names {picture.name}, a picture that was not made")
                _link(picture, made / PICTURES / picture.name)
            write_whole(made / RECORDS, records)
            write_whole(made / DOCUMENT, to_json(document).encode())
            write_whole(made / HEADER, self._header.to_json().encode())
            sync_folder(made)
            _replace(made, self.folder)
            shutil.rmtree(self._work)
        return replace(stored, folder=self.folder)

    def close(self) -> None:
        """Keep what was measured for the next process; where nothing was, leave no trace."""
        if not self._finished:
            shutil.rmtree(self._work, ignore_errors=True)

    def _table(self, wanted: frozenset[Pair]) -> pa.Table:
        rows: dict[Pair, list[int]] = {}
        parts = [read_rows(self.run, path) for path in self._part_paths()]
        if not parts:
            return pa.table({"attack": pa.array([], pa.string()), "id": pa.array([], pa.string())})
        start = 0
        for part in parts:
            of_part: dict[Pair, list[int]] = {}
            for place, pair in enumerate(_pairs(part), start):
                of_part.setdefault(pair, []).append(place)
            rows |= of_part
            start += part.num_rows
        try:
            table = pa.concat_tables(parts, promote_options="permissive")
        except pa.ArrowException as error:
            raise UsageError(f"the parts of an evaluation have unlike columns: {error}") from error
        kept = sorted(wanted.intersection(rows), key=self._order.__getitem__)
        return table.take([place for pair in kept for place in rows[pair]])

    def _resume(self) -> None:
        header = self._header_in(self._work)
        if header is None:
            self._start()
            self._go_on_from_finished()
        else:
            self._header = replace(self._header, notes=header.notes)
            self._read_parts()

    def _start(self) -> None:
        with writing(self._work.parent):
            shutil.rmtree(self._work, ignore_errors=True)
        make_folders(self.run.directory, [self._work / folder for folder in (_PARTS, PICTURES)])
        self._header = replace(self._header, notes={})
        self._read_parts()

    def _go_on_from_finished(self) -> None:
        """Take over what a finished evaluation has: new attacks and images may have come since."""
        header = self._header_in(self.folder)
        if header is not None:
            with suppress(RunError):  # what is broken is measured again
                rows = read_rows(self.run, self.folder / RECORDS)
                with writing(self._work):
                    for picture in (self.folder / PICTURES).glob("*.png"):
                        check_inside(resolved(self.run.directory), picture)
                        _link(picture, self._work / PICTURES / picture.name)
                    if rows.num_rows:
                        _link(self.folder / RECORDS, self._work / _PARTS / f"{0:08d}.parquet")
                self._header = replace(self._header, notes=header.notes)
        self._read_parts()
        write_whole(self._work / HEADER, self._header.to_json().encode())

    def _header_in(self, folder: Path) -> Header | None:
        """What an earlier process wrote there, if that is of this evaluation and by this Limen."""
        with suppress(RunError):
            header = read_header(self.run, folder)
            if (header.identity, header.limen) == (self._header.identity, self._header.limen):
                return header
        return None

    def _read_parts(self) -> None:
        paths = self._part_paths()
        self._next = 1 + max((int(path.stem) for path in paths), default=-1)
        self._finished = {pair for path in paths for pair in _pairs(read_rows(self.run, path))}

    def _part_paths(self) -> list[Path]:
        return sorted(path for path in (self._work / _PARTS).glob("*.parquet") if path.stem.isdecimal())


@contextmanager
def measuring(run: Run, identity: Identity, limit: int | None = None) -> Iterator[Measurement]:
    """Open an evaluation of a run for writing while the block runs.

    Args:
        run: The run.
        identity: The evaluation with all its options.
        limit: Only so many first images of the data set are looked at; None for all.

    Raises:
        RunError: If another process writes it, or the folder cannot be written.
    """
    folder = folder_of(run, identity)
    make_folders(run.directory, [folder.parent])
    with locked(folder.with_name(f".{folder.name}.lock"), "it measures this; wait for it"):
        measurement = Measurement(run, identity, limit)
        try:
            yield measurement
        finally:
            measurement.close()


def _pairs(table: pa.Table) -> Iterator[Pair]:
    return zip(table["attack"].to_pylist(), table["id"].to_pylist(), strict=True)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)


def _replace(made: Path, folder: Path) -> None:
    """Put a folder where another may be, which no system does in one step."""
    old = unfinished(folder.with_name(f"{folder.name}.old"))
    shutil.rmtree(old, ignore_errors=True)
    with suppress(FileNotFoundError):
        os.rename(folder, old)
    os.rename(made, folder)
    sync_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)
