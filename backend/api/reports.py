"""What to know of a data set before training on it, and the files that its import left out."""

import csv
import io
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel

from backend.api.fields import RowId
from backend.api.rows import dataset_row
from backend.deps import Lab, LabDep
from backend.errors import ApiError
from simclr.datasets.origin import Skipped, read_origin
from simclr.datasets.report import DatasetReport, kept_report

router = APIRouter(tags=["datasets"])

# A cell that begins so is a formula to a spreadsheet (OWASP, "CSV Injection").
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
CSV_HEADERS = {
    "Content-Disposition": "attachment; filename=skipped.csv",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
}
CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}


class ReportInTheMaking(BaseModel):
    """``before`` is the number of reports that are made before this one."""

    before: int


@router.get(
    "/datasets/{dataset_id}/report",
    responses={202: {"model": ReportInTheMaking, "description": "It is being made: ask again in a second."}},
    response_model=DatasetReport,
)
def read_report(dataset_id: RowId, lab: LabDep) -> DatasetReport | Response:
    """Balance, leakage, doubles, what was left out, false negatives; made when first asked for, and kept."""
    folder = _folder(lab, dataset_id)
    if (report := kept_report(folder)) is not None:
        return report
    if reason := lab.reports.failure(folder):
        message = f"The report could not be made ({reason}); the log of the server tells more. Ask again to try again."
        raise ApiError(503, "report_failed", message)
    pending = ReportInTheMaking(before=lab.reports.ask(folder))
    return Response(pending.model_dump_json(), 202, media_type="application/json")


@router.get("/datasets/{dataset_id}/skipped.csv", response_class=Response, responses=CSV)
def read_skipped(dataset_id: RowId, lab: LabDep) -> Response:
    """The files that the import left out, 10,000 at most, each with the reason, as a table."""
    table = as_csv(read_origin(_folder(lab, dataset_id)).skipped)
    return Response(table.encode("utf-8-sig"), media_type="text/csv", headers=CSV_HEADERS)


def as_csv(files: list[Skipped]) -> str:
    """A table for spreadsheets: no cell is a formula, and no character of a stranger's file name does anything."""
    text = io.StringIO()
    table = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    table.writerow(("file", "code", "reason"))
    table.writerows([_cell(field) for field in (file.name, file.code, file.reason)] for file in files)
    return text.getvalue()


def _cell(text: str) -> str:
    shown = "".join(_visible(text))
    return f"'{shown}" if shown.lstrip().startswith(FORMULA) else shown


def _visible(text: str) -> Iterator[str]:
    """Control characters, marks that turn the reading direction, and halves of characters become escapes."""
    for character in text:
        has_form = not unicodedata.category(character).startswith(("C", "Zl", "Zp"))
        yield character if has_form else character.encode("unicode_escape").decode("ascii")


def _folder(lab: Lab, dataset_id: str) -> Path:
    with lab.catalogue.reading() as session:
        return lab.folder / dataset_row(session, dataset_id).key
