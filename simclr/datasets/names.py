"""Names from strangers: which may stand in an archive, and how they are quoted."""

import re

from simclr.datasets.errors import DatasetError

DRIVE = re.compile(r"^[A-Za-z]:")
# Control codes and halves of characters, which no name needs.
NO_FORM = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# Marks that turn the reading direction: a name could pretend to be another.
BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def quote(name: str) -> str:
    """A stranger's file name, fit for a message: escaped and not too long."""
    return ascii(name if len(name) <= 100 else f"{name[:97]}...")


def check_name(name: str) -> None:
    """Let pass only relative paths with forward slashes, of any script, without control characters.

    Raises:
        DatasetError: ``bad_name``, ``path_outside``.
    """
    if not name:
        raise DatasetError("bad_name", "a file in the archive has no name: pack the folder again")
    if NO_FORM.search(name):
        raise DatasetError("bad_name", f"{quote(name)} has a control character in its name: rename the file")
    if "\\" in name or DRIVE.match(name) or name.startswith("/") or ".." in name.split("/"):
        raise DatasetError(
            "path_outside",
            f"{quote(name)} points outside the archive, or is no relative path with forward slashes: pack the folder again",
        )
