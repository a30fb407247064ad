"""What an archive's folders and tables mean: which split and which class every image belongs to."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simclr.datasets.errors import DatasetError
from simclr.datasets.label_tables import Labels, is_table, read_labels
from simclr.datasets.names import BIDI, NO_FORM, quote
from simclr.datasets.store import SPLIT_FOLDERS, Split

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"})
ARCHIVE_SUFFIXES = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"})
DROPPINGS = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
# STL-10 and others keep images for pretraining alone beside the labelled ones.
UNLABELLED_FOLDERS = frozenset({"unlabelled", "unlabeled"})
LONGEST_CLASS_NAME = 100


@dataclass(frozen=True)
class Place:
    """One image: its path in the archive, its split, and its class, None where it lies in no class folder."""

    path: str
    split: Split
    class_name: str | None


@dataclass(frozen=True)
class Layout:
    """Every image of an archive, sorted by path; ``classes`` sorted; ``left_out`` are the files that are no images."""

    places: tuple[Place, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    left_out: tuple[str, ...]


def table_paths(paths: Sequence[str]) -> list[str]:
    """Those of an archive's files that may hold labels, for ``read_layout``."""
    return [path for path in paths if is_table(path) and not _is_dropping(_parts(path))]


def read_layout(paths: Sequence[str], max_classes: int, tables: Mapping[str, bytes] | None = None) -> Layout:
    """Read ``[top folder/] [split folder/] [class folder/ ...] image`` from the paths of an archive's files.

    One folder around everything is passed over, so is what systems leave behind (``__MACOSX``, ``.DS_Store``, ``Thumbs.db``).
    Files that are no images are left out and noted. Without split folders, every image is a training image for now. Images in
    a folder named ``unlabelled`` have no class. Where a table names images and their classes, folders tell only the split.

    Args:
        paths: All files.
        max_classes: The most that are taken.
        tables: Contents of the files that ``table_paths`` gives; see ``label_tables.read_labels``.

    Raises:
        DatasetError: ``nested_archive``, ``no_images``, ``unclear_layout``, ``duplicate_name``, ``bad_name``,
            ``too_many_classes``, and what ``label_tables.read_labels`` refuses.
    """
    kept = {path: parts for path in paths if (parts := _parts(path)) and not _is_dropping(parts)}
    _refuse_nested(kept)
    images = {path: parts for path, parts in kept.items() if _suffix(parts) in IMAGE_SUFFIXES}
    if not images:
        raise DatasetError(
            "no_images",
            f"none of the archive's {len(paths)} files is an image: pack PNG, JPEG, WebP, BMP or GIF files, "
            "one folder for each class",
        )
    _refuse_doubles(images)
    labels = read_labels({path: data for path, data in (tables or {}).items() if path in kept}, list(images))
    left_out = sorted(path for path in kept if path not in images and not (labels and is_table(path)))
    notes = [_left_out_note(left_out)] if left_out else []
    inner = _without_top_folder(images)
    places = _assign(inner) if labels is None else _assign_by(labels, inner)
    places, more = _without_lone_class(places)
    more += labels.notes if labels else []
    classes = sorted({p.class_name for p in places if p.class_name is not None}, key=natural)
    _check_class_names(classes, max_classes)
    return Layout(
        tuple(sorted(places, key=lambda place: natural(place.path))),
        tuple(classes),
        (*notes, *more, *_gaps(places)),
        tuple(left_out),
    )


def natural(name: str) -> list[tuple[int, int, str]]:
    """A sort key under which "2" comes before "10"."""
    return [
        (0, int(part), part) if part.isascii() and part.isdigit() else (1, 0, part)
        for part in re.split(r"(\d{1,18})", name)
    ]


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part not in ("", "."))


def _suffix(parts: tuple[str, ...]) -> str:
    # As PurePosixPath has it, for a tenth of the time.
    stem, _, suffix = parts[-1].rpartition(".")
    return f".{suffix.lower()}" if stem and suffix else ""


def _is_dropping(parts: tuple[str, ...]) -> bool:
    return any(part.startswith(".") or part.lower() in DROPPINGS for part in parts)


def _refuse_nested(kept: dict[str, tuple[str, ...]]) -> None:
    for path, parts in kept.items():
        if _suffix(parts) in ARCHIVE_SUFFIXES:
            raise DatasetError(
                "nested_archive", f"{quote(path)} is an archive in the archive: unpack it before packing"
            )


def _refuse_doubles(images: dict[str, tuple[str, ...]]) -> None:
    for parts, count in Counter(images.values()).items():
        if count > 1:
            raise DatasetError("duplicate_name", f"{quote('/'.join(parts))} is in the archive {count} times: keep one")


def _left_out_note(left_out: list[str]) -> str:
    examples = ", ".join(quote(path) for path in left_out[:3])
    return f"{len(left_out)} {'file was' if len(left_out) == 1 else 'files were'} left out as no images: {examples}" + (
        ", ..." if len(left_out) > 3 else "."
    )


def _without_top_folder(images: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Drop folders that hold everything, unless they name a split."""
    while True:
        tops = {parts[0] for parts in images.values()}
        lone = len(tops) == 1 and all(len(parts) > 1 for parts in images.values())
        if not lone or tops.pop().lower() in SPLIT_FOLDERS:
            return images
        images = {path: parts[1:] for path, parts in images.items()}


def _assign(images: dict[str, tuple[str, ...]]) -> list[Place]:
    folders = {parts[0] for parts in images.values() if len(parts) > 1}
    splits = {folder for folder in folders if folder.lower() in SPLIT_FOLDERS}
    known = splits | {folder for folder in folders if folder.lower() in UNLABELLED_FOLDERS}
    if not splits:
        return [Place(path, "train", _class_of(parts)) for path, parts in images.items()]
    if folders != known or any(len(parts) == 1 for parts in images.values()):
        other = next(path for path, parts in images.items() if parts[0] not in known)
        raise DatasetError(
            "unclear_layout",
            f"the archive has split folders ({', '.join(sorted(splits))}), but {quote(other)} lies in none of them: "
            "move it into one, or do without split folders",
        )
    return [_within_split(path, parts) for path, parts in images.items()]


def _within_split(path: str, parts: tuple[str, ...]) -> Place:
    folder = parts[0].lower()
    if folder in UNLABELLED_FOLDERS:
        return Place(path, "train", None)
    return Place(path, SPLIT_FOLDERS[folder], _class_of(parts[1:]))


def _class_of(parts: tuple[str, ...]) -> str | None:
    """The first folder of what lies within a split, unless it says that there is no class."""
    return None if len(parts) < 2 or parts[0].lower() in UNLABELLED_FOLDERS else parts[0]


def _assign_by(labels: Labels, images: dict[str, tuple[str, ...]]) -> list[Place]:
    """Classes from tables; splits from tables, else from the folders, else train."""
    return [
        Place(
            path,
            labels.splits.get(path) or (SPLIT_FOLDERS.get(parts[0].lower()) if len(parts) > 1 else None) or "train",
            labels.classes.get(path),
        )
        for path, parts in images.items()
    ]


def _without_lone_class(places: list[Place]) -> tuple[list[Place], list[str]]:
    """Labels that are all the same say nothing: such a set counts as unlabelled."""
    names = {place.class_name for place in places if place.class_name is not None}
    if len(names) != 1:
        return places, []
    return [Place(p.path, p.split, None) for p in places], [
        f"There is only one class ({names.pop()}), which tells no images apart, so all of them count as unlabelled."
    ]


def _check_class_names(classes: list[str], most: int) -> None:
    if len(classes) > most:
        raise DatasetError("too_many_classes", f"the archive has {len(classes):,} classes, more than {most:,}")
    for name in classes:
        if len(name) > LONGEST_CLASS_NAME or BIDI & set(name) or NO_FORM.search(name):
            raise DatasetError(
                "bad_name",
                f"the class {quote(name)} has a name of more than {LONGEST_CLASS_NAME} characters, or with control characters "
                "or marks that turn the reading direction: rename it",
            )


def _gaps(places: list[Place]) -> list[str]:
    """Sentences on images without a class and classes without training images."""
    notes = []
    labelled = [place for place in places if place.class_name is not None]
    unlabelled = len(places) - len(labelled)
    if not labelled:
        notes.append(
            "There are no class folders and no labels: the images can be pretrained on and searched, but nothing scored."
        )
    elif unlabelled:
        notes.append(f"{unlabelled} {'image has' if unlabelled == 1 else 'images have'} no class.")
    trained = {place.class_name for place in labelled if place.split == "train"}
    for name in sorted({place.class_name or "" for place in labelled if place.class_name not in trained}, key=natural)[
        :5
    ]:
        notes.append(f"Class {name} has no training images, so no classifier can learn it.")
    return notes
