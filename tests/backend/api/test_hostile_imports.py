"""Hundreds of hostile and odd archives through the real route: each a set or one clear refusal, nothing left, the lab up.

They are read in this process instead of in a limited child for each, which would take half a second a piece; that the child's
limits hold is tested with the importer.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from backend import staging
from backend.catalogue import queries
from tests.backend.api import lab
from tests.backend.api.packing import npz
from tests.backend.api.test_imports import send, traces
from tests.simclr.datasets import hostile_archives, hostile_images, hostile_tars
from tests.simclr.datasets.hostile_tars import tarred
from tests.simclr.datasets.pictures import class_folders, pack, png
from tests.simclr.datasets.test_hostile import CONTROLS, ODD, OUTSIDE
from tests.worker.imports import do_imports, importer_here
from worker.importing import sources_of

pytestmark = pytest.mark.slow

# What must become of an archive: a set, one of these refusals, or, where None, either.
SET, EITHER = "a set", None
Build = Callable[[Path], bytes]
Cases = dict[str, tuple[str, Build, str | None]]
AT_ONCE = 30


def built(build: Callable[[Path], Path]) -> Build:
    return lambda folder: build(folder / "upload").read_bytes()


def zipped(files: Mapping[str, bytes]) -> Build:
    return built(lambda path: pack(path, files))


@cache
def good() -> dict[str, bytes]:
    return class_folders(4)


def with_picture(data: Callable[[], bytes], name: str = "cat/odd.png") -> Build:
    return built(lambda path: pack(path, {**good(), name: data()}))


def zips() -> Cases:
    bad = {f"zip {name}": ("zip", built(build), code) for name, (build, code) in hostile_archives.REFUSED.items()}
    del bad["zip has no bytes"]  # refused before it is a job
    return bad | {f"zip {name}": ("zip", built(build), SET) for name, build in hostile_archives.ACCEPTED.items()}


def tars() -> Cases:
    bad = {f"tar {name}": ("tar", built(build), code) for name, (build, code) in hostile_tars.REFUSED.items()}
    return bad | {f"tar {name}": ("tar", built(build), SET) for name, build in hostile_tars.ACCEPTED.items()}


def pictures() -> Cases:
    """One bad picture is left out of a good set; a bomb may have the whole archive refused."""
    bad: Cases = {
        f"with {name}": ("zip", with_picture(make), EITHER) for name, (make, _) in hostile_images.REFUSED.items()
    }
    return bad | {
        f"with {name}": ("zip", with_picture(make), SET) for name, (make, *_) in hostile_images.ACCEPTED.items()
    }


def names() -> Cases:
    def under(name: str) -> Build:
        return with_picture(lambda: png(999), name)

    # Every second one: all of them are tried where archives are read.
    outside: Cases = {f"under {name!a}": ("zip", under(name), "path_outside") for name in OUTSIDE[::2]}
    controls: Cases = {f"under {name!a}": ("zip", under(name), "bad_name") for name in CONTROLS[::2]}
    return outside | controls | {f"under {name!a}": ("zip", under(name), SET) for name in ODD[::2]}


def mistaken() -> Cases:
    """Something else than it is said to be, or only its beginning."""
    arrays = npz(train_images=np.zeros((20, 8, 8), np.uint8), train_labels=np.arange(20) % 2)

    def cut(whole: Build, share: float) -> Build:
        return lambda folder: (data := whole(folder))[: max(1, int(share * len(data)))]

    kinds: dict[str, tuple[str, Build]] = {
        "zip": ("zip", zipped(good())),
        "tar": ("tar", built(lambda path: tarred(path, good(), "w"))),
        "tar.xz": ("tar", built(lambda path: tarred(path, good(), "w:xz"))),
        "npz": ("npz", lambda _: arrays),
    }
    cuts: Cases = {
        f"{share:.0%} of a {name}": (kind, cut(whole, share), EITHER)
        for name, (kind, whole) in kinds.items()
        for share in (0.0, 0.3, 0.6, 0.99)
    }
    return cuts | {
        "a zip as npz": ("npz", kinds["zip"][1], EITHER),
        "a tar as npz": ("npz", kinds["tar"][1], EITHER),
        "an npz as zip": ("zip", kinds["npz"][1], EITHER),
        "an npz as tar": ("tar", kinds["npz"][1], EITHER),
        "a page as zip": ("zip", lambda _: b"<html><script>alert(1)</script>", "broken_archive"),
        "a page as npz": ("npz", lambda _: b"<html><script>alert(1)</script>", EITHER),
    }


GROUPS = {"zips": zips, "tars": tars, "pictures": pictures, "names": names, "mistaken": mistaken}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    with lab.running(tmp_path_factory.mktemp("own")) as app:
        yield app


def told(app: FastAPI, client: TestClient, accepted: Mapping[str, str]) -> dict[str, dict[str, object]]:
    """Play the worker for all that was accepted; what becomes of each, by its name."""
    here = lab.lab(app)
    do_imports(here.catalogue, here.folder, importer_here(sources_of(here.settings)))
    jobs = {job["id"]: job for job in client.get(f"/api/jobs?kind=import&limit={AT_ONCE}").json()["items"]}
    return {name: jobs[job_id] for name, job_id in accepted.items()}


def test_there_are_more_than_two_hundred_of_them() -> None:
    assert sum(len(cases()) for cases in GROUPS.values()) > 240


@pytest.mark.parametrize("group", GROUPS)
def test_each_becomes_a_set_or_one_clear_refusal_and_leaves_nothing(own: FastAPI, group: str, tmp_path: Path) -> None:
    client, cases = lab.signed_in(own), list(GROUPS[group]().items())
    wrong: list[object] = []
    for start in range(0, len(cases), AT_ONCE):
        some = dict(cases[start : start + AT_ONCE])
        answers = {name: send(client, build(tmp_path), kind) for name, (kind, build, _) in some.items()}
        wrong += [(name, answer.text) for name, answer in answers.items() if answer.status_code != 202]
        ids = {name: answer.json()["id"] for name, answer in answers.items() if answer.status_code == 202}
        for name, job in told(own, client, ids).items():
            wanted, error = some[name][2], job["error"]
            code = error["code"] if isinstance(error, dict) else None
            is_set = job["state"] == "succeeded"
            if is_set != (code is None) or (wanted is not EITHER and wanted != (SET if is_set else code)):
                wrong.append((name, job["state"], error))
            if isinstance(error, dict) and not (error["message"].isprintable() and 20 < len(error["message"]) < 600):
                wrong.append((name, error))
            if code in ("internal", "crashed", "disk"):
                wrong.append((name, error))
    assert wrong == []
    kept = {path.name for path in traces(own)}
    with lab.lab(own).catalogue.reading() as session:
        keys = {Path(row.key).parts[1] for row in queries.datasets(session)}
    assert kept == keys, "a folder for each set, and nothing else"
    assert client.get("/api/health").status_code == 200


def test_uploads_at_once_are_each_imported_or_refused_for_their_own_reasons(own: FastAPI, tmp_path: Path) -> None:
    client = lab.signed_in(own)
    bodies = [zipped(class_folders(4, channels=1, size=9))(tmp_path), b"no zip at all"] * 4
    with ThreadPoolExecutor(4) as senders:
        answers = list(senders.map(lambda body: send(client, body), bodies))
    assert {answer.status_code for answer in answers} == {202}
    ended = told(own, client, {str(n): answer.json()["id"] for n, answer in enumerate(answers)})
    states = [job["state"] for job in ended.values()]
    assert states == ["succeeded", "failed"] * 4
    assert len({job["dataset_id"] for job in ended.values()} - {None}) == 1


def test_a_disk_that_fills_up_while_images_are_read_is_named_and_nothing_stays(
    own: FastAPI, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client, before = lab.signed_in(own), traces(own)
    answer = send(client, zipped(class_folders(4, size=11))(tmp_path))

    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr("simclr.datasets.buffers.os.posix_fallocate", no_room)
        [job] = told(own, client, {"full": answer.json()["id"]}).values()
    assert isinstance(job["error"], dict)
    assert job["error"]["code"] == "disk_full"
    assert traces(own) == before
    with monkeypatch.context() as full:
        full.setattr(staging, "RESERVE_BYTES", 1 << 60)
        assert send(client, zipped(good())(tmp_path)).status_code == 507
    assert traces(own) == before
