"""What crosses the border must not move: paths, fields and schemas of the HTTP interface."""

from pathlib import Path
from typing import Any

import pytest

from serve.keys import Keyring
from serve.problems import MEDIA_TYPE
from serve.schemas import EnrolReply, IdentifyReply
from tests import services

pytestmark = pytest.mark.serving

PATHS = {
    "/identify": {"post"},
    "/v1/identify": {"post"},
    "/v1/subjects": {"get"},
    "/v1/subjects/{subject}": {"get", "delete"},
    "/v1/subjects/{subject}/templates": {"post"},
    "/healthz": {"get"},
    "/readyz": {"get"},
    "/metrics": {"get"},
}
FIELDS = {
    "IdentifyReply": "request_id decision thresholds candidates probe gallery_modality "
    "gallery_revision model timings_ms",
    "CandidateReport": "subject similarity template modality",
    "ClipReport": "modality inferred format frames_in frames_used frames_dropped points_ignored",
    "EnrolReply": "request_id subject templates rejected gallery_revision",
    "TemplateAdded": "position template clip",
    "ClipRejected": "position code detail",
    "SubjectPage": "request_id subjects next_cursor gallery_revision",
    "SubjectReport": "subject created templates",
    "SubjectReply": "request_id subject templates gallery_revision",
    "TemplateReport": "template modality frames source created",
    "RemoveReply": "request_id subject templates_removed gallery_revision",
    "Model": "contract simulated",
    "Readiness": "status contract provider gallery_revision",
    "Health": "status",
    "Problem": "type title status code detail request_id",
}
BODIES = {
    "/identify": "clip top_k modality gallery_modality forward",
    "/v1/identify": "clip top_k modality gallery_modality forward",
    "/v1/subjects/{subject}/templates": "clips modality forward",
}


def _document(folder: Path, keyring: Keyring | None = None) -> Any:
    with services.opened(folder) as service:
        return services.client(service, keyring).get("/openapi.json").json()


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return _document(tmp_path_factory.mktemp("openapi"))


def test_paths_and_methods(document: Any) -> None:
    assert {path: set(methods) for path, methods in document["paths"].items()} == PATHS


def test_schemas_and_their_fields(document: Any) -> None:
    schemas = document["components"]["schemas"]
    bodies = {name for name in schemas if name.startswith("Body_")}
    assert set(schemas) - bodies == {*FIELDS, "Modality", "Forward"}
    for name, fields in FIELDS.items():
        assert list(schemas[name]["properties"]) == fields.split(), name


def test_form_fields(document: Any) -> None:
    for path, fields in BODIES.items():
        content = document["paths"][path]["post"]["requestBody"]["content"]
        name = content["multipart/form-data"]["schema"]["$ref"].rpartition("/")[2]
        assert list(document["components"]["schemas"][name]["properties"]) == fields.split()


def test_refusals_are_documented_as_problem_reports(document: Any) -> None:
    for path in PATHS:
        for method, operation in document["paths"][path].items():
            refusals = {k: v for k, v in operation["responses"].items() if k.startswith("4")}
            assert path.startswith(("/v1", "/identify")) == bool(refusals), (path, method)
            for refusal in refusals.values():
                assert list(refusal["content"]) == [MEDIA_TYPE]


@pytest.mark.parametrize("schema", [IdentifyReply, EnrolReply])
def test_examples_are_replies(schema: type[IdentifyReply | EnrolReply]) -> None:
    (example,) = schema.model_json_schema()["examples"]
    assert schema.model_validate(example).model_dump(mode="json") == example


def test_keys_are_documented_only_where_they_are_asked_for(tmp_path: Path, document: Any) -> None:
    assert "securitySchemes" not in document["components"]
    with_keys = _document(tmp_path, Keyring())
    assert list(with_keys["components"]["securitySchemes"]) == ["key"]
    assert with_keys["paths"]["/identify"]["post"]["security"] == [{"key": []}]
    assert "security" not in with_keys["paths"]["/healthz"]["get"]
