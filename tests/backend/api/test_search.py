"""Search finds what the features say, never the query itself, and says what is missing."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from backend.catalogue.models import BankRow
from backend.search_engines import SearchEngines
from backend.settings import Settings
from simclr.hnsw import graph_beside
from simclr.index import Index, norms_beside
from tests.backend.api import lab
from tests.backend.api.conftest import Shown
from tests.worker.waiting import until

UNKNOWN = "0" * 26


def asked(shown: Shown, **more: object) -> dict[str, object]:
    return {"encoder_id": shown.encoder, "dataset_id": shown.dataset, "k": 5, "image_index": 7, **more}


def as_png(index: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(lab.images().images[index].transpose(1, 2, 0)).save(file, "PNG")
    return file.getvalue()


def test_neighbours_are_those_of_the_features_without_the_query(client: TestClient, app: FastAPI, shown: Shown) -> None:
    dataset = lab.images()
    features = lab.pixel_features(app, f"encoders/{shown.encoder}.safetensors", dataset).astype(np.float64)
    similarity = features @ features[7]
    similarity[7] = -np.inf
    expected = np.argsort(-similarity, kind="stable")[:5]
    found = client.post("/api/search", json=asked(shown)).json()
    assert [hit["index"] for hit in found["hits"]] == expected.tolist()
    # The bank holds float32, good for seven digits.
    np.testing.assert_allclose([hit["similarity"] for hit in found["hits"]], similarity[expected], atol=1e-5)
    assert found["query"] == {"index": 7, "label": 1, "class_name": "bee"}
    labels = dataset.labels[expected]
    assert found["precision_at_k"] == pytest.approx(np.mean(labels[labels >= 0] == 1))
    assert (found["metric"], found["engine"].pop("milliseconds") > 0) == ("cosine", True)
    assert found["engine"] == {"name": "exact", "recall": None, "note": "", "is_coming": False}
    assert {hit["distance"] for hit in found["hits"]} == {None}


def test_average_precision_of_all_others_is_the_mean_precision_where_the_class_stands(
    client: TestClient, shown: Shown
) -> None:
    found = client.post("/api/search", json=asked(shown, k=lab.N - 1)).json()
    labelled = [hit for hit in found["hits"] if hit["label"] is not None]
    of_class = [place for place, hit in enumerate(labelled, start=1) if hit["label"] == 1]
    expected = np.mean([rank / place for rank, place in enumerate(of_class, start=1)])
    assert found["average_precision"] == pytest.approx(expected)
    # Of 48 images every sixth has no label, 16 are of class 1, and one of those asks.
    assert len(of_class) == sum(lab.images().labels == 1) - 1


def test_by_euclidean_distance_neighbours_are_those_of_the_features_as_they_were(
    client: TestClient, app: FastAPI, shown: Shown
) -> None:
    features, norms = lab.pixel_features(app, f"encoders/{shown.encoder}.safetensors", lab.images()), lab.lengths()
    whole = features.astype(np.float64) * norms[:, None]
    for also in ([], [9]):
        place = whole[[7, *also]].mean(axis=0)
        distance = np.linalg.norm(whole - place, axis=1)
        distance[[7, *also]] = np.inf
        expected = np.argsort(distance, kind="stable")[:5]
        found = client.post("/api/search", json=asked(shown, metric="euclidean", also=also)).json()
        assert [hit["index"] for hit in found["hits"]] == expected.tolist()
        np.testing.assert_allclose([hit["distance"] for hit in found["hits"]], distance[expected], rtol=1e-5)
        cosines = features[expected] @ place / np.linalg.norm(place)
        np.testing.assert_allclose([hit["similarity"] for hit in found["hits"]], cosines, atol=1e-5)
    assert found["metric"] == "euclidean"


def test_a_photo_by_euclidean_distance_is_compared_as_the_encoder_gives_it(client: TestClient, shown: Shown) -> None:
    # The bank of the test says other lengths than the encoder gives, so the distance is that of the two.
    params = {"encoder_id": shown.encoder, "dataset_id": shown.dataset, "k": 3, "metric": "euclidean"}
    found = client.post("/api/search/upload", params=params, content=as_png(11)).json()
    cosine = client.post("/api/search/upload", params={**params, "metric": "cosine"}, content=as_png(11)).json()
    own = next(hit for hit in cosine["hits"] if hit["index"] == 11)
    assert own["similarity"] == pytest.approx(1.0, abs=1e-5)
    assert found["hits"] == sorted(found["hits"], key=lambda hit: hit["distance"])


def test_embeddings_without_lengths_know_no_distance(client: TestClient, app: FastAPI, shown: Shown) -> None:
    bank = lab.bank_path(app, shown.encoder, shown.dataset)
    lengths = norms_beside(bank)
    kept = lengths.read_bytes()
    lengths.unlink()
    lab.lab(app).banks.forget(bank)
    try:
        answer = client.post("/api/search", json=asked(shown, metric="euclidean"))
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_lengths")
        assert client.post("/api/search", json=asked(shown)).status_code == 200
    finally:
        lengths.write_bytes(kept)
        lab.lab(app).banks.forget(bank)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_embeddings_whose_file_is_gone_are_missed_in_words(
    client: TestClient, app: FastAPI, shown: Shown, metric: str
) -> None:
    bank = lab.bank_path(app, shown.encoder, shown.dataset)
    aside = bank.with_name("aside.npy")
    bank.rename(aside)
    lab.lab(app).banks.forget(bank)
    try:
        answer = client.post("/api/search", json=asked(shown, metric=metric))
        assert (answer.status_code, answer.json()["error"]["code"]) == (410, "embeddings_deleted")
    finally:
        aside.rename(bank)


@pytest.mark.parametrize(
    "harm", [lambda whole: whole[:-100], lambda _whole: b"", lambda whole: whole[:200] + b"\xff" * 800]
)
def test_embeddings_whose_file_was_cut_off_or_damaged_say_so(
    client: TestClient, app: FastAPI, shown: Shown, harm: Callable[[bytes], bytes]
) -> None:
    bank = lab.bank_path(app, shown.encoder, shown.dataset)
    aside = bank.with_name("aside.npy")
    bank.rename(aside)
    bank.write_bytes(harm(aside.read_bytes()))
    lab.lab(app).banks.forget(bank)
    try:
        answer = client.post("/api/search", json=asked(shown))
        assert (answer.status_code, answer.json()["error"]["code"]) == (410, "embeddings_damaged")
    finally:
        aside.rename(bank)


def test_a_photo_for_an_encoder_whose_file_was_deleted_meanwhile_is_refused(
    client: TestClient, app: FastAPI, shown: Shown
) -> None:
    encoder = lab.lab(app).folder / f"encoders/{shown.encoder}.safetensors"
    aside = encoder.with_name("aside.safetensors")
    encoder.rename(aside)
    params = {"encoder_id": shown.encoder, "dataset_id": shown.dataset, "k": 3}
    try:
        answer = client.post("/api/search/upload", params=params, content=as_png(11))
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "not_computable")
        # Images of the set need it no more.
        assert client.post("/api/search", json=asked(shown)).status_code == 200
    finally:
        aside.rename(encoder)


@pytest.fixture(scope="module")
def doubled(app: FastAPI, shown: Shown) -> Shown:
    """A set in which images 20 to 25 have the pixels of image 7, and 30 and 31 those of image 9, with its bank."""
    images = lab.images(seed=3)
    images.images[20:26] = images.images[7]
    images.images[30:32] = images.images[9]
    dataset_id = lab.add_images(app, images, "Doubled")
    features = lab.pixel_features(app, f"encoders/{shown.encoder}.safetensors", images)
    np.save(lab.lab(app).folder / "doubled.npy", features)
    about = {"encoder_id": shown.encoder, "dataset_id": dataset_id, "job_id": shown.job}
    with lab.lab(app).catalogue.writing() as session:
        session.add(BankRow(**about, key="doubled.npy", feature_dim=features.shape[1], created_at=0.0))
    return replace(shown, dataset=dataset_id)


def test_exact_duplicates_of_the_query_and_among_hits_are_left_out(client: TestClient, doubled: Shown) -> None:
    with_all = client.post("/api/search", json=asked(doubled, k=40)).json()["hits"]
    assert {hit["index"] for hit in with_all[:6]} == set(range(20, 26))
    without = client.post("/api/search", json=asked(doubled, k=38, exclude_duplicates=True)).json()
    expected = [hit for hit in with_all if hit["index"] not in {*range(20, 26), 30, 31}]
    assert without["hits"][: len(expected)] == expected[:38]
    # All others of different pixels: 48 less the query, its six doubles and the two of image 9.
    assert len(client.post("/api/search", json=asked(doubled, k=47, exclude_duplicates=True)).json()["hits"]) == 39
    # Of images of one kind, the first that may be found is.
    params = {**asked(doubled, k=5, split="test", exclude_duplicates=True), "image_index": 9}
    hit = client.post("/api/search", json=params).json()["hits"]
    assert len({hit["index"] for hit in hit}) == 5
    assert not {31, 30} & {each["index"] for each in hit}


def test_an_uploaded_image_does_not_find_its_own_pixels_if_duplicates_are_left_out(
    client: TestClient, shown: Shown
) -> None:
    params = {"encoder_id": shown.encoder, "dataset_id": shown.dataset, "k": 3}
    everything, without = (
        client.post("/api/search/upload", params={**params, "exclude_duplicates": left_out}, content=as_png(11)).json()
        for left_out in (False, True)
    )
    assert without["hits"][:2] == everything["hits"][1:]
    assert (len(without["hits"]), 11 in {hit["index"] for hit in without["hits"]}) == (3, False)


def by_graph(client: TestClient, shown: Shown, **more: object) -> tuple[dict[str, Any], list[str]]:
    """The first answer that the graph gave, and what was told before it."""
    notes: list[str] = []

    def answered() -> dict[str, Any] | None:
        found: dict[str, Any] = client.post("/api/search", json=asked(shown, engine="hnsw", **more)).json()
        if found["engine"]["name"] == "hnsw":
            return found
        assert (len(found["hits"]), found["engine"]["is_coming"]) == (5, True)
        notes.append(found["engine"]["note"])
        return None

    found = until(answered, "a graph")
    return found, notes


@pytest.mark.slow
def test_a_graph_is_built_while_the_exact_engine_answers_and_again_where_its_file_was_damaged(
    client: TestClient, app: FastAPI, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = client.post("/api/search", json=asked(shown)).json()
    found, notes = by_graph(client, shown)
    assert "being built; all images were read." in " ".join(notes)
    # Of 48 images a graph misses none.
    assert found["engine"]["recall"] == {"value": 1.0, "at": 10, "queries": lab.N}
    assert (found["engine"]["note"], found["engine"]["is_coming"]) == ("", False)
    assert found["hits"] == exact["hits"]
    monkeypatch.setattr("simclr.approximate.FEWEST", 0)
    few = client.post("/api/search", json=asked(shown, engine="hnsw", label=1, k=1)).json()
    assert few["engine"]["name"] == "hnsw"
    monkeypatch.setattr("simclr.approximate.FEWEST", 30)
    few = client.post("/api/search", json=asked(shown, engine="hnsw", label=1, k=1)).json()
    assert (few["engine"]["name"], few["engine"]["recall"]) == ("exact", None)
    assert few["engine"]["note"].startswith("only ")
    graph = graph_beside(lab.bank_path(app, shown.encoder, shown.dataset), "cosine")
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-10])
    # As another process would find it.
    lab.lab(app).engines.stop()
    lab.lab(app).engines = SearchEngines(lab.lab(app).settings, lab.lab(app).catalogue)
    found, notes = by_graph(client, shown)
    assert "features.cosine.hnsw is cut off or damaged" in " ".join(notes).lower()
    assert found["hits"] == exact["hits"]
    assert len(graph.read_bytes().partition(b"\n")[2]) == len(whole.partition(b"\n")[2])


def test_without_postgresql_pgvector_is_neither_offered_nor_answered_by(client: TestClient, shown: Shown) -> None:
    offered = client.get("/api/search/engines", params={"dataset_id": shown.dataset})
    assert offered.json() == {"here": ["exact", "hnsw"], "automatic": "exact"}
    params = asked(shown, engine="pgvector")
    for answer in (
        client.post("/api/search", json=params),
        client.post("/api/search/upload", params={**params, "image_index": None}, content=as_png(11)),
    ):
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["fields"][0]["path"]) == (422, "no_engine", "engine")
        assert error["message"].endswith("there is no pgvector: search by exact or hnsw.")


def test_a_deployment_that_chose_pgvector_without_postgresql_is_told_so_with_every_answer(app: FastAPI) -> None:
    engines = SearchEngines(Settings(search_engine="pgvector"), lab.lab(app).catalogue)
    chosen = engines.choose("auto", Path("nowhere.npy"), "", Index(np.eye(3, dtype=np.float32)))
    assert (chosen.engine.name, chosen.is_coming) == ("exact", False)
    assert "not in PostgreSQL" in chosen.note


def test_large_sets_are_left_to_a_graph_unless_the_deployment_chooses(app: FastAPI) -> None:
    exact = Index(np.eye(3, dtype=np.float32))
    for chosen, up_to, is_exact in (("auto", 3, True), ("auto", 2, False), ("exact", 2, True), ("hnsw", 3, False)):
        settings = Settings(search_engine=chosen, search_exact_up_to=up_to)
        engines = SearchEngines(settings, lab.lab(app).catalogue)
        assert (engines.choose("auto", Path("nowhere.npy"), "", exact).note == "") is is_exact
        engines.stop()


def test_several_images_are_a_query_by_their_mean_and_away_from_others(
    client: TestClient, app: FastAPI, shown: Shown
) -> None:
    features = lab.pixel_features(app, f"encoders/{shown.encoder}.safetensors", lab.images()).astype(np.float64)
    query = features[[7, 9]].mean(axis=0) - features[[11, 12, 13]].mean(axis=0)
    similarity = features @ query / np.linalg.norm(query)
    similarity[[7, 9, 11, 12, 13]] = -np.inf
    expected = np.argsort(-similarity, kind="stable")[:5]
    found = client.post("/api/search", json=asked(shown, also=[9], unlike=[11, 12, 13])).json()
    assert [hit["index"] for hit in found["hits"]] == expected.tolist()
    np.testing.assert_allclose([hit["similarity"] for hit in found["hits"]], similarity[expected], atol=1e-5)


def test_hits_are_of_the_split_and_class_that_are_asked_for(client: TestClient, shown: Shown) -> None:
    everything = client.post("/api/search", json=asked(shown, k=lab.N - 1)).json()["hits"]
    of_train = client.post("/api/search", json=asked(shown, split="train")).json()
    assert of_train["hits"] == [hit for hit in everything if hit["split"] == "train"][:5]
    of_bees = client.post("/api/search", json=asked(shown, split="train", label=1)).json()
    assert of_bees["hits"] == [hit for hit in everything if hit["split"] == "train" and hit["label"] == 1][:5]
    assert (of_train["precision_at_k"] is None, of_bees["precision_at_k"]) == (False, None)
    params = {"encoder_id": shown.encoder, "dataset_id": shown.dataset, "k": 3, "split": "test"}
    uploaded = client.post("/api/search/upload", params=params, content=as_png(11)).json()
    assert {hit["split"] for hit in uploaded["hits"]} == {"test"}


def test_an_unlabelled_query_has_no_precision(client: TestClient, shown: Shown) -> None:
    found = client.post("/api/search", json=asked(shown, image_index=6)).json()
    assert (found["precision_at_k"], found["query"]["label"]) == (None, None)


def test_an_uploaded_image_of_the_set_finds_itself(client: TestClient, shown: Shown) -> None:
    params = {"encoder_id": shown.encoder, "dataset_id": shown.dataset, "k": 3}
    found = client.post("/api/search/upload", params=params, content=as_png(11)).json()
    assert (found["hits"][0]["index"], len(found["hits"])) == (11, 3)
    assert found["hits"][0]["similarity"] == pytest.approx(1.0, abs=1e-5)
    assert found["query"] == {"index": None, "label": None, "class_name": None}
    assert found["precision_at_k"] is None


@pytest.mark.parametrize(
    "body", [b"GIF89a", b"<svg/>", b"%PDF-1.4", b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, as_png(0)[:100]]
)
def test_what_is_no_image_cannot_be_searched_for(client: TestClient, shown: Shown, body: bytes) -> None:
    params = {"encoder_id": shown.encoder, "dataset_id": shown.dataset, "k": 3}
    answer = client.post("/api/search/upload", params=params, content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "not_an_image")


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(client: TestClient, shown: Shown) -> None:
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")
    params = {"encoder_id": shown.encoder, "dataset_id": shown.dataset}
    answer = client.post("/api/search/upload", params=params, content=file.getvalue())
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "too_many_pixels")


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"encoder_id": UNKNOWN}, 404, "unknown_encoder"),
        ({"dataset_id": UNKNOWN}, 404, "unknown_data_set"),
        ({"dataset_id": "unlabelled"}, 409, "no_embeddings"),
        ({"image_index": lab.N}, 422, "unknown_image"),
        ({"image_index": -1}, 422, "invalid"),
        ({"k": 0}, 422, "invalid"),
        ({"k": 201}, 422, "invalid"),
        ({"k": lab.N}, 422, "k_too_large"),
        ({"k": 1.5}, 422, "invalid"),
        ({"also": [lab.N]}, 422, "unknown_image"),
        ({"unlike": [7]}, 422, "no_query"),
        ({"unlike": [1] * 21}, 422, "invalid"),
        ({"label": 99}, 422, "unknown_class"),
        ({"split": "everything"}, 422, "invalid"),
        ({"metric": "manhattan"}, 422, "invalid"),
        ({"engine": "annoy"}, 422, "invalid"),
        ({"metric": "euclidean", "unlike": [3]}, 422, "no_query"),
        ({"split": "test", "k": 40}, 422, "k_too_large"),
        ({"split": "train", "label": 0, "k": 9}, 422, "k_too_large"),
    ],
)
def test_a_search_that_cannot_be_is_refused(
    client: TestClient, shown: Shown, wrong: dict[str, object], status: int, code: str
) -> None:
    body = asked(shown, **wrong)
    if body["dataset_id"] == "unlabelled":
        body["dataset_id"] = shown.unlabelled
    answer = client.post("/api/search", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_all_others_can_be_asked_for(client: TestClient, shown: Shown) -> None:
    found = client.post("/api/search", json=asked(shown, k=lab.N - 1)).json()
    assert sorted(hit["index"] for hit in found["hits"]) == [i for i in range(lab.N) if i != 7]


def test_where_fewer_will_do_those_that_there_are_come_and_none_is_said_to_be_none(
    client: TestClient, shown: Shown
) -> None:
    bees = np.flatnonzero((lab.images().labels == 1) & (lab.images().splits == 0))
    body = asked(shown, k=100, or_fewer=True, split="train", label=1)
    found = client.post("/api/search", json=body).json()
    assert sorted(hit["index"] for hit in found["hits"]) == [each for each in bees.tolist() if each != 7]
    assert found["k"] == len(found["hits"])
    params = {**body, "image_index": None}
    found = client.post("/api/search/upload", params=params, content=as_png(11)).json()
    assert sorted(hit["index"] for hit in found["hits"]) == bees.tolist()
    none = client.post("/api/search", json={**body, "split": "val", "label": 0})
    assert (none.status_code, none.json()["error"]["code"]) == (422, "nothing_to_find")


def test_an_empty_or_giant_upload_is_refused(client: TestClient, shown: Shown) -> None:
    params = {"encoder_id": shown.encoder, "dataset_id": shown.dataset}
    assert client.post("/api/search/upload", params=params, content=b"").status_code == 422
    giant = client.post("/api/search/upload", params=params, content=iter([b"x" * (1 << 20)] * 33))
    assert (giant.status_code, giant.json()["error"]["code"]) == (413, "too_large")


def test_a_bank_is_named_at_its_encoder(client: TestClient, shown: Shown) -> None:
    assert shown.dataset in client.get(f"/api/encoders/{shown.encoder}").json()["embedded_dataset_ids"]
