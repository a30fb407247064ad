"""A report as lines of text, for the terminal."""

from collections.abc import Iterator

from simclr.datasets.names import quote
from simclr.datasets.report import DatasetReport, Twin
from simclr.datasets.store import SPLITS

SHOWN = 10


def lines(report: DatasetReport) -> Iterator[str]:
    """Everything a report says, one fact a line."""
    colours = "grey" if report.channels == 1 else "RGB"
    sizes = ", ".join(f"{report.split_sizes[split]:,} {split}" for split in SPLITS)
    yield f"{report.n:,} {colours} images of {report.image_size}×{report.image_size} ({sizes})"
    yield from _classes(report)
    yield (
        "mean " + _levels(report.mean) + ", std " + _levels(report.std) + " of the training images' channels, in [0, 1]"
    )
    if report.sizes:
        first, more = report.sizes[:SHOWN], len(report.sizes) - SHOWN
        told = ", ".join(f"{size.width}×{size.height} ({size.n:,})" for size in first)
        yield f"originals: {told}" + (f" and {more:,} other sizes" if more > 0 else "")
    yield from _twins(report)
    for one in report.false_negatives:
        yield (
            f"batch of {one.batch:,}: {one.share:.1%} of an anchor's negatives are of its own class ({one.per_anchor:.1f} of "
            f"{2 * one.batch - 2:,}); {one.any:.1%} of anchors have one"
        )
    for file in report.skipped[:SHOWN]:
        yield f"left out: {quote(file.name)}: {file.reason}"
    if report.skipped_n > SHOWN:
        yield f"left out: {report.skipped_n - SHOWN:,} more files"
    yield from report.notes


def _classes(report: DatasetReport) -> Iterator[str]:
    width = max((len(name) for name in report.classes), default=0)
    for label, name in enumerate(report.classes):
        yield f"  {name:<{width}}  " + ", ".join(f"{report.counts[split][label]:,} {split}" for split in SPLITS)
    if unlabelled := sum(report.unlabelled.values()):
        yield f"  without a class: {unlabelled:,}"
    if balance := report.balance.get("train"):
        ratio = (
            "a class without training images"
            if balance.ratio is None
            else f"the largest {balance.ratio:.1f} times the smallest"
        )
        yield f"balance: {ratio}; as uncertain as {balance.effective_classes:.1f} classes of equal size"


def _twins(report: DatasetReport) -> Iterator[str]:
    found = report.duplicates
    yield f"repeated images: {found.exact:,} exactly, {found.near:,} nearly; {found.conflicting:,} of them under another class"
    for leak in found.leaks:
        if leak.exact:
            yield f"LEAK: {leak.exact:,} {leak.of} images also stand in {leak.also_in}, {leak.near:,} more nearly so"
        elif leak.near:
            yield f"look: {leak.near:,} {leak.of} images may also stand in {leak.also_in}, so nearly alike are they"
        for twin in leak.listed[:SHOWN]:
            yield "  " + _pair(twin)
    if not found.is_complete:
        yield "so many images resemble each other that not all pairs were compared"
    yield found.method


def _pair(twin: Twin) -> str:
    said = "is" if twin.kind == "exact" else "is nearly"
    if twin.image_name:
        return f"{quote(twin.image_name)} {said} {quote(twin.twin_name)}"
    return f"image {twin.image} {said} image {twin.twin}"


def _levels(values: list[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)
