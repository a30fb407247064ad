"""Labels that lie beside the images as a table: a CSV with a column of file names and a column of classes."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from simclr.datasets.errors import DatasetError
from simclr.datasets.names import quote
from simclr.datasets.store import SPLIT_FOLDERS, Split

SUFFIXES = frozenset({".csv", ".tsv"})
FILE_COLUMNS = frozenset(
    {"file", "files", "filename", "file_name", "filepath", "file_path", "image", "images", "image_name", "image_path",
     "image_id", "img", "path", "name", "id"}
)  # fmt: skip
LABEL_COLUMNS = frozenset({"label", "labels", "class", "class_name", "classname", "category", "target", "y"})
SPLIT_COLUMNS = frozenset({"split", "subset", "set", "fold", "partition"})
SHOWN = 3
MOST_ROWS = 1_000_000


@dataclass(frozen=True)
class Labels:
    """What tables say: of images by path, their class (None where the cell is empty) and their split, where it is said."""

    classes: dict[str, str | None]
    splits: dict[str, Split]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Columns:
    file: int
    label: int
    split: int | None
    has_header: bool


def is_table(path: str) -> bool:
    """Whether a file's name says that it can hold labels."""
    return PurePosixPath(path).suffix.lower() in SUFFIXES


def read_labels(tables: Mapping[str, bytes], images: list[str]) -> Labels | None:
    """Find each row's image; None if no table has the columns for it.

    A row may name its image by path from the table's folder or from the top, by name alone where only one image has it, and
    without a suffix. Delimiters are commas, semicolons or tabs; without a header, two columns are file and class. A table
    called ``train.csv`` speaks of the training split, and so on, unless a column says otherwise.

    Args:
        tables: Contents by path.
        images: Paths of all images.

    Raises:
        DatasetError: ``bad_table`` for a table that is no UTF-8 text or names an unknown split, ``label_conflict`` where an
            image has two classes, ``labels_unmatched`` where a table names no image at all.
    """
    if not tables:
        return None
    finder = _Finder(images)
    classes: dict[str, str | None] = {}
    splits: dict[str, Split] = {}
    notes: list[str] = []
    for path in sorted(tables):
        rows = list(_rows(path, tables[path]))
        columns = _columns(path, rows, finder)
        if columns is None:
            continue
        absent: list[str] = []
        found = 0
        for row in rows[columns.has_header :]:
            if len(row) <= max(columns.file, columns.label):
                continue
            image = finder.find(path, row[columns.file])
            if image is None:
                absent.append(row[columns.file])
                continue
            found += 1
            _note_class(image, row[columns.label].strip() or None, classes)
            if split := _split(path, row, columns):
                splits[image] = split
        if not found:
            raise DatasetError(
                "labels_unmatched",
                f"none of the files that {quote(path)} names is there, such as {quote(absent[0]) if absent else 'none'}: "
                "write paths as they are in the archive",
            )
        notes += _table_notes(path, len(images), found, absent)
    return Labels(classes, splits, tuple(notes)) if notes else None


class _Finder:
    """Looks images up by what a row may call them."""

    def __init__(self, images: list[str]) -> None:
        self._by_path = {_plain(path): path for path in images}
        self._by_name: dict[str, str | None] = {}
        for plain, path in self._by_path.items():
            name = PurePosixPath(plain)
            for key in {str(name.with_suffix("")), name.name, name.stem}:
                # Two images of one name: the name alone says nothing.
                self._by_name[key] = None if key in self._by_name else path

    def find(self, table: str, called: str) -> str | None:
        plain = _plain(called.strip().replace("\\", "/"))
        beside = _plain(f"{PurePosixPath(table).parent}/{plain}")
        for key in (beside, plain):
            if found := self._by_path.get(key):
                return found
        return self._by_name.get(beside) or self._by_name.get(plain)


def _plain(path: str) -> str:
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _rows(path: str, data: bytes) -> Iterator[list[str]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DatasetError("bad_table", f"{quote(path)} is not UTF-8 text: save it as CSV in UTF-8") from None
    lines = text.splitlines()
    head = lines[0] if lines else ""
    delimiter = max(",;\t", key=head.count)
    try:
        for number, row in enumerate(csv.reader(lines, delimiter=delimiter)):
            if number > MOST_ROWS:
                raise DatasetError("bad_table", f"{quote(path)} has more than {MOST_ROWS:,} rows: split the set")
            yield row
    except csv.Error as error:
        raise DatasetError("bad_table", f"{quote(path)} can't be read as CSV ({error}): save it again") from error


def _columns(path: str, rows: list[list[str]], finder: _Finder) -> _Columns | None:
    if not rows:
        return None
    header = [cell.strip().lower().replace(" ", "_") for cell in rows[0]]
    files = [i for i, cell in enumerate(header) if cell in FILE_COLUMNS]
    labels = [i for i, cell in enumerate(header) if cell in LABEL_COLUMNS]
    splits = [i for i, cell in enumerate(header) if cell in SPLIT_COLUMNS]
    if files and labels:
        # A column of ids beside a column of files: take the one whose cells are files.
        def is_file(column: int) -> bool:
            return any(len(row) > column and finder.find(path, row[column]) for row in rows[1:20])

        return _Columns(next(filter(is_file, files), files[0]), labels[0], splits[0] if splits else None, True)
    if len(header) == 2 and finder.find(path, rows[0][0]):
        return _Columns(0, 1, None, False)
    return None


def _note_class(image: str, name: str | None, classes: dict[str, str | None]) -> None:
    if classes.get(image, name) != name:
        raise DatasetError(
            "label_conflict",
            f"{quote(image)} has two classes, {quote(str(classes[image]))} and {quote(str(name))}: keep one",
        )
    classes[image] = name


def _split(path: str, row: list[str], columns: _Columns) -> Split | None:
    if columns.split is None or len(row) <= columns.split:
        return SPLIT_FOLDERS.get(PurePosixPath(path).stem.lower())
    said = row[columns.split].strip().lower()
    if said and said not in SPLIT_FOLDERS:
        raise DatasetError(
            "bad_table", f"{quote(path)} names a split {quote(said)}: write train, val or test, or leave the column out"
        )
    return SPLIT_FOLDERS.get(said)


def _table_notes(path: str, images: int, found: int, absent: list[str]) -> list[str]:
    notes = [f"Labels of {found:,} of {images:,} images were taken from {quote(path)}; folders are no classes here."]
    if absent:
        examples = ", ".join(map(quote, absent[:SHOWN])) + (", ..." if len(absent) > SHOWN else "")
        notes.append(f"{quote(path)} names {len(absent):,} files that are not there: {examples}.")
    return notes
