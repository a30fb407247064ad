"""What the API says of itself is true, complete and committed."""

import json

from starlette.testclient import TestClient

from backend import openapi
from simclr.config import AugmentConfig, PretrainConfig


def test_the_committed_files_are_those_of_the_code() -> None:
    for path, text in openapi.generated().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is out of date: run make api-types"


def test_every_operation_is_described_and_tells_its_errors() -> None:
    operations = [o for methods in openapi.document()["paths"].values() for o in methods.values()]
    assert len({o["operationId"] for o in operations}) == len(operations) > 20
    for operation in operations:
        assert operation["description"], operation["operationId"]
        for status in ("4XX", "5XX"):
            schema = operation["responses"][status]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ErrorOut"}


def test_every_reference_leads_somewhere() -> None:
    document = openapi.document()
    text = json.dumps(document)
    named = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= set(document["components"]["schemas"])


def test_configs_carry_what_a_form_needs(client: TestClient) -> None:
    configs = client.get("/api/configs").json()
    assert set(configs) == {"augment", "pretrain", "transfer", "embed", "map", "presets", "parts"}
    for kind, model in (("augment", AugmentConfig), ("pretrain", PretrainConfig)):
        for preset in configs["presets"][kind]:
            assert model.model_validate(preset["config"]).model_dump(mode="json") == preset["config"]
    assert set(configs["transfer"]) == {"knn", "linear_probe", "fine_tune"}
    flip = configs["augment"]["properties"]["flip_p"]
    assert (flip["default"], flip["minimum"], flip["maximum"], flip["basic"]) == (0.5, 0.0, 1.0, True)
    assert flip["unit"] == "probability"
    assert flip["description"] == AugmentConfig.model_fields["flip_p"].description


def test_health_tells_the_version_and_no_more(client: TestClient) -> None:
    assert set(client.get("/api/health").json()) == {"status", "version"}


def test_the_system_is_described(client: TestClient) -> None:
    system = client.get("/api/system").json()
    assert set(system) == {"version", "device", "workers", "workers_seen", "bell", "data_folder", "queue"}
    assert (system["device"], system["workers"]) == (None, 0)
