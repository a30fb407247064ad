"""Baselines are made once and are what they say."""

import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi import FastAPI
from httpx2 import Response
from starlette.testclient import TestClient
from torch import nn
from torchvision.models import resnet18
from torchvision.models.resnet import BasicBlock, ResNet

from backend.deps import Lab
from backend.errors import ApiError
from backend.jobs import store
from backend.jobs.invariants import violations
from backend.jobs.outcomes import Artefact, Succeeded
from backend.vision import Vision, adoption
from backend.vision.parent import Answer
from simclr import weights
from simclr.config import EncoderConfig, PretrainConfig
from simclr.encoder_file import image_facts, read_encoder_file
from simclr.encoders import load_encoder, prepare, seeded, untrained_encoder
from simclr.events import Evaluation
from simclr.pretrain import pretrain
from simclr.results import PretrainResult
from simclr.runs import Run, sha256_of
from tests.backend.api import lab
from tests.backend.api.conftest import Shown
from tests.simclr.interruptions import ALWAYS, SILENT

pytestmark = pytest.mark.slow

UNKNOWN = "0" * 26


@pytest.fixture(scope="module")
def adopting(tmp_path_factory: pytest.TempPathFactory, eyes: Vision) -> Iterator[FastAPI]:
    """A lab that reads files, with a data set."""
    with lab.running(tmp_path_factory.mktemp("adopting"), eyes=eyes) as app:
        yield app


@pytest.fixture
def own(eyes: Vision, tmp_path: Path) -> Iterator[FastAPI]:
    """A lab of a test's own."""
    with lab.running(tmp_path, eyes=eyes) as app:
        yield app


def pretrained(app: FastAPI) -> str:
    """The id of an encoder that a pretraining made; its weights are random, which nobody here looks at."""
    client, dataset = lab.signed_in(app), lab.images()
    dataset_id = lab.add_images(app, dataset)
    asked = {"kind": "pretrain", "dataset_id": dataset_id, "config": {"batch_size": 8}}
    job_id = client.post("/api/jobs", json=asked).json()["id"]
    path = lab.lab(app).folder / f"jobs/{job_id}/1/encoder.safetensors"
    path.parent.mkdir(parents=True)
    file = untrained_encoder(EncoderConfig(width=8), image_facts(dataset), 99, path)
    result = PretrainResult(
        epochs=1, steps=3, loss=2.0, chance=2.7, knn_accuracy=None, feature_dim=file.feature_dim, images_per_s=1.0,
        seconds=1.0, device="cpu",
    )  # fmt: skip
    made = Artefact(f"jobs/{job_id}/1/encoder.safetensors", sha256_of(path), file.model_dump(mode="json"))
    lab.settle(app, job_id, Succeeded(result, made))
    encoder_id: str = client.get(f"/api/jobs/{job_id}").json()["produced_encoder_id"]
    return encoder_id


def test_the_pixels_of_a_set_become_one_encoder(client: TestClient, app: FastAPI, shown: Shown) -> None:
    answer = client.post("/api/encoders", json={"origin": "pixels", "dataset_id": shown.dataset})
    assert (answer.status_code, answer.json()["id"]) == (200, shown.encoder)
    assert (answer.json()["feature_dim"], answer.json()["architecture"]) == (3 * 16 * 16, None)
    files = list((lab.lab(app).folder / "encoders").iterdir())
    assert len(files) == len({encoder["id"] for encoder in client.get("/api/encoders").json()["items"]})


def test_an_untrained_encoder_has_the_weights_that_its_seed_gives(own: FastAPI) -> None:
    client, like = lab.signed_in(own), pretrained(own)
    asked = {"origin": "untrained", "like": like, "seed": 5}
    first, again = client.post("/api/encoders", json=asked), client.post("/api/encoders", json=asked)
    other = client.post("/api/encoders", json={**asked, "seed": 6})
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 201)
    assert first.json() == again.json()
    assert other.json()["id"] != first.json()["id"]
    encoder, file = load_encoder(lab.lab(own).folder / f"encoders/{first.json()['id']}.safetensors")
    assert file.origin == "untrained"
    expected = seeded(EncoderConfig(width=8), 3, 5).state_dict()
    assert all(bool((tensor == expected[name]).all()) for name, tensor in encoder.state_dict().items())
    assert len(list((lab.lab(own).folder / "encoders").iterdir())) == 2


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"origin": "pixels", "dataset_id": UNKNOWN}, 404, "unknown_data_set"),
        ({"origin": "untrained", "like": UNKNOWN}, 404, "unknown_encoder"),
        ({"origin": "untrained", "like": "pixels"}, 422, "invalid"),
        ({"origin": "untrained", "like": "the pixels' id"}, 422, "no_network"),
        ({"origin": "pretrained"}, 422, "invalid"),
        ({"origin": "untrained", "like": UNKNOWN, "seed": -1}, 422, "invalid"),
    ],
)
def test_a_baseline_that_cannot_be_is_refused(
    client: TestClient, shown: Shown, body: dict[str, object], status: int, code: str
) -> None:
    if code == "no_network":
        body = {**body, "like": shown.encoder}
    answer = client.post("/api/encoders", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def upload(app: FastAPI, dataset_id: str, content: bytes, **query: object) -> Response:
    path = "/api/encoders/upload"
    return lab.signed_in(app).post(path, params={"dataset_id": dataset_id, **query}, content=content)


class Trap:
    """Would say that it ran when it is unpickled."""

    def __init__(self, touched: Path) -> None:
        self.touched = touched

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.touched,)


def test_files_of_weights_become_encoders_and_hostile_ones_are_refused(adopting: FastAPI, tmp_path: Path) -> None:
    dataset_id = lab.add_images(adopting, lab.images())
    network = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=10).state_dict()
    torch.save(network, tmp_path / "r.pth")
    made = upload(adopting, dataset_id, (tmp_path / "r.pth").read_bytes(), name="From torchvision", image_size=32)
    assert made.status_code == 201, made.text
    row = made.json()
    assert (row["name"], row["origin"], row["image_size"], row["feature_dim"]) == (
        "From torchvision",
        "imported",
        32,
        512,
    )
    assert row["found"].startswith("resnet10 of width 64 with the imagenet stem for 3 channels")
    path = lab.lab(adopting).folder / f"encoders/{row['id']}.safetensors"
    same = upload(adopting, dataset_id, path.read_bytes())
    assert (same.status_code, same.json()["id"]) == (200, row["id"]), "a file of the lab's own is what it was"
    touched = tmp_path / "touched"
    small = seeded(EncoderConfig(width=8), 3, 0).state_dict()
    torch.save({"state_dict": small, "more": Trap(touched)}, tmp_path / "trap.pth")
    torch.save(small | {"conv1.weight": small["conv1.weight"] * float("nan")}, tmp_path / "nan.pth")
    for content, words in (
        ((tmp_path / "trap.pth").read_bytes(), "only weights are read"),
        (pickle.dumps(Trap(touched)), "neither a safetensors file"),
        ((tmp_path / "nan.pth").read_bytes(), "NaN"),
        (path.read_bytes()[:5000], "broken safetensors file"),
        (b"\xff" * 7 + b"\x7f{" + b"x" * 50, "broken safetensors file"),
    ):
        refused = upload(adopting, dataset_id, content)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "not_computable"), words
        assert words in refused.json()["error"]["message"]
    assert not touched.exists()
    assert len(list(path.parent.iterdir())) == 1
    assert not list((lab.lab(adopting).folder / "staging").glob("*.part"))


def test_imagenet_is_used_only_where_its_file_was_put(
    adopting: FastAPI,
) -> None:
    client, dataset_id = lab.signed_in(adopting), lab.add_images(adopting, lab.images())
    files = client.get("/api/encoders/imagenet").json()["files"]
    assert [file["architecture"] for file in files] == ["resnet18", "resnet34", "resnet50"]
    absent = next(file for file in files if not file["is_here"])
    body = {"origin": "imagenet", "architecture": absent["architecture"], "dataset_id": dataset_id}
    answer = client.post("/api/encoders", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "not_computable")
    assert Path(absent["path"]).name in answer.json()["error"]["message"]


@pytest.mark.parametrize("channels", [3, 1])
def test_weights_put_where_the_message_says_are_offered_and_become_an_encoder_for_the_set(
    adopting: FastAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channels: int
) -> None:
    # The child's work is done here, as a file of random weights cannot have the digest in torchvision's name.
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def study(_lab: Lab, header: dict[str, Any], *_: object) -> Answer:
        try:
            return Answer(getattr(adoption, header["do"])(header, [])[0], [])
        except ValueError as refusal:
            raise ApiError(422, "not_computable", str(refusal)) from None

    monkeypatch.setattr(Lab, "study", study)
    torch.manual_seed(channels)
    network = resnet18(weights=None).eval()
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    name = f"resnet18-{sha256_of(tmp_path / 'weights.pth')[:8]}.pth"
    monkeypatch.setattr(
        weights, "weights_url", lambda architecture: f"http://nowhere/{name.replace('resnet18', architecture)}"
    )
    client, dataset = lab.signed_in(adopting), lab.images(channels=channels)
    dataset_id = lab.add_images(adopting, dataset)
    body = {"origin": "imagenet", "architecture": "resnet18", "dataset_id": dataset_id, "image_size": 96}
    message = client.post("/api/encoders", json=body).json()["error"]["message"]
    folder = re.search(r"put it into (\S+?), or", message)
    assert folder, message
    Path(folder[1]).mkdir(parents=True)
    (tmp_path / "weights.pth").rename(Path(folder[1]) / name)
    files = client.get("/api/encoders/imagenet").json()["files"]
    assert [file["architecture"] for file in files if file["is_here"]] == ["resnet18"]
    row = client.post("/api/encoders", json=body).json()
    assert (row["origin"], row["channels"], row["image_size"]) == ("imagenet", channels, 96)
    asked = {"dataset_id": dataset_id, "encoders": [row["id"]], "strategies": [{"strategy": "linear_probe"}]}
    assert client.post("/api/grids/plan", json=asked).json()["to_compute"] == 1
    encoder, file = load_encoder(lab.lab(adopting).folder / f"encoders/{row['id']}.safetensors")
    # Grey in all channels, with as little detail as photographs have.
    coarse = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    smooth = nn.functional.interpolate(coarse, (96, 96), mode="bilinear")
    pixels = (255 * smooth).round().byte().expand(-1, channels, -1, -1)
    colours = pixels.expand(-1, 3, -1, -1).float() / 255
    mean, std = (torch.tensor(of).view(3, 1, 1) for of in (weights.IMAGENET_MEAN, weights.IMAGENET_STD))
    trunk = nn.Sequential(*list(network.children())[:-1])
    with torch.no_grad():
        ours, theirs = encoder(prepare(pixels, file)), trunk((colours - mean) / std).flatten(1)
    # To float32's last digits, and with one channel but for the border, see ``imagenet_encoder``.
    assert ((ours - theirs).norm() / theirs.norm()).item() < (1e-5 if channels == 3 else 0.01)


def test_a_kept_checkpoint_of_a_run_becomes_an_encoder_and_the_run_is_judged(adopting: FastAPI) -> None:
    client, dataset = lab.signed_in(adopting), lab.images()
    dataset_id = lab.add_images(adopting, dataset)
    config = PretrainConfig(
        batch_size=8, epochs=2, projection_width=8, projection_dim=8, encoder=EncoderConfig(width=8), follow=SILENT
    )
    asked = {"kind": "pretrain", "dataset_id": dataset_id, "config": config.model_dump(mode="json")}
    job_id = client.post("/api/jobs", json=asked).json()["id"]
    run, told = Run(lab.lab(adopting).folder / f"jobs/{job_id}/1"), []
    result = pretrain(config, dataset, run, told.append, cadence=ALWAYS)
    description = read_encoder_file(run.encoder).model_dump(mode="json")
    made = Artefact(f"jobs/{job_id}/1/{run.encoder.name}", sha256_of(run.encoder), description)
    looks = [Evaluation(epoch=epoch, step=3 * epoch, n=9, std_z=0.001, rank_z=1.0) for epoch in (0, 1)]
    with lab.lab(adopting).catalogue.writing() as session:
        claim = store.claim(session, "worker")
        assert claim is not None
        assert store.progress(session, job_id, claim.epoch, [*told, *looks])
    kept = client.get(f"/api/jobs/{job_id}/checkpoints").json()["items"]
    assert [(checkpoint["step"], checkpoint["encoder_id"]) for checkpoint in kept] == [(6, None), (5, None)]
    assert client.get(f"/api/jobs/{job_id}/verdict").json()["state"] == "collapsed_total"
    body = {"origin": "checkpoint", "job_id": job_id, "step": 5}
    early = client.post("/api/encoders", json=body)
    assert early.status_code == 201, early.text
    assert (early.json()["run_id"], early.json()["step"], early.json()["job_id"]) == (job_id, 5, None)
    assert early.json()["has_projection"]
    assert client.post("/api/encoders", json=body).json()["id"] == early.json()["id"]
    lab.settle_claimed(adopting, claim, Succeeded(result, made))
    last = client.post("/api/encoders", json={**body, "step": 6})
    produced = client.get(f"/api/jobs/{job_id}").json()["produced_encoder_id"]
    assert (last.status_code, last.json()["id"]) == (200, produced), "the end of a run is its encoder"
    unknown = client.post("/api/encoders", json={**body, "step": 4})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_checkpoint")
    way = client.get("/api/encoders", params={"job_id": job_id}).json()["items"]
    assert [(state["epoch"], state["step"], state["origin"], state["listed"]) for state in way] == [
        (0, 0, "untrained", False),
        (1, 3, "pretrained", False),
        (None, 5, "pretrained", True),
        (2, 6, "pretrained", True),
    ]
    first = client.post("/api/encoders", json={**body, "step": 3})
    assert (first.status_code, first.json()["id"], first.json()["epoch"]) == (201, way[1]["id"], 1)
    assert client.post("/api/encoders", json={**body, "step": 3}).status_code == 200
    listed = {encoder["id"] for encoder in client.get("/api/encoders").json()["items"]}
    assert [state["id"] in listed for state in way] == [False, True, True, True]
    assert client.get("/api/encoders", params={"job_id": UNKNOWN}).status_code == 404
    with lab.lab(adopting).catalogue.reading() as session:
        assert violations(session, lab.lab(adopting).folder) == []
