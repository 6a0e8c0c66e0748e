"""What crosses the border must not move: paths, fields and schemas of the HTTP interface."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serve.access.key_file import KeyFile
from serve.middleware.problems import MEDIA_TYPE
from serve.schemas.search import IdentifyReply, VerifyReply
from serve.schemas.subjects import EnrolReply
from tests import services

pytestmark = pytest.mark.serving

G, S = "/v1/galleries/{g}", "/v1/galleries/{g}/subjects/{subject}"
PATHS = {
    "/identify": {"post"},
    "/v1/identify": {"post"},
    "/v1/tracks": {"post"},
    "/v1/frames": {"post"},
    "/v1/verify": {"post"},
    "/v1/embed": {"post"},
    "/v1/galleries": {"get", "post"},
    G: {"get", "delete"},
    f"{G}:export": {"post"},
    f"{G}:import": {"post"},
    f"{G}/subjects": {"get"},
    S: {"get", "delete"},
    f"{S}:merge": {"post"},
    f"{S}/templates": {"get", "post"},
    f"{S}/templates/{{template}}": {"get", "delete"},
    f"{S}/templates/{{template}}/picture": {"get", "delete"},
    f"{G}/strangers": {"get"},
    f"{G}/ending": {"get"},
    f"{S}:extend": {"post"},
    f"{S}/templates:check": {"post"},
    "/v1/audit:verify": {"get"},
    "/v1/models": {"get"},
    "/v1/access": {"get"},
    "/v1/audit": {"get"},
    "/v1/live": {"get", "post"},
    "/v1/reviews": {"get", "post"},
    "/v1/reviews/cases": {"get"},
    "/v1/reviews/statistics": {"get"},
    "/v1/keys": {"get", "post"},
    "/v1/keys/{key}": {"delete"},
    "/v1/keys/{key}:rotate": {"post"},
    "/healthz": {"get"},
    "/readyz": {"get"},
    "/metrics": {"get"},
}
FIELDS = {
    "IdentifyReply": "request_id audit_id decision thresholds undecided candidates probe gallery "
    "gallery_modality gallery_revision model timings_ms",
    "CandidateReport": "subject similarity template modality",
    "VerifyReply": "request_id audit_id decision thresholds undecided similarity probe other "
    "enrolled model timings_ms",
    "Thresholds": "match possible gallery_size basis meaning",
    "Threshold": "similarity rate low high source",
    "Basis": "whose people simulated templates sha256",
    "Enrolled": "gallery subject template modality gallery_revision",
    "TracksReply": "request_id audit_id people left_out gallery gallery_revision model timings_ms",
    "TrackReport": "track begins ends frames clip rejected detail decision thresholds undecided "
    "candidates picture",
    "FramesReply": "picture size columns frames seconds request_id audit_id clip used",
    "PictureReport": "picture size columns frames seconds",
    "PictureReply": "picture size columns frames seconds request_id audit_id gallery subject "
    "template modality",
    "StrangersReply": "request_id gallery gallery_revision probe gallery_modality thresholds "
    "undecided shares calibration",
    "StrangersShare": "share similarity",
    "CalibrationReport": "whose people simulated data sha256",
    "AccessReply": "request_id key scopes galleries gallery purposes version limits",
    "LimitsReport": "max_clip_mib max_body_mib max_clips max_frames max_templates quality_search "
    "quality_enrol match_fpir possible_fpir match_fmr own_calibration two_reviewers "
    "rate_per_key rate_per_gallery",
    "EmbedReply": "request_id audit_id embeddings rejected dimension model timings_ms",
    "Embedding": "position clip embedding",
    "ClipReport": "modality inferred format frames_in frames_used frames_dropped points_ignored "
    "assumed quality quality_reasons",
    "ClipRejected": "position code detail",
    "NewGallery": "gallery",
    "GalleryReply": "request_id gallery contract subjects templates ready gallery_revision",
    "GalleryPage": "request_id galleries next_cursor",
    "GalleryDeleted": "request_id audit_id gallery subjects_removed templates_removed receipts",
    "ImportReply": "request_id audit_id gallery templates_enrolled templates_present "
    "templates_expired gallery_revision",
    "EnrolReply": "request_id audit_id gallery subject templates rejected alike "
    "duplicates erased "
    "gallery_revision",
    "AlikeReport": "position subject similarity",
    "TemplateAdded": "position template clip",
    "DuplicateClip": "position others",
    "SubjectPage": "request_id gallery subjects next_cursor gallery_revision",
    "SubjectReport": "subject created templates",
    "SubjectReply": "request_id gallery subject templates gallery_revision",
    "TemplatePage": "request_id gallery subject templates next_cursor gallery_revision",
    "TemplateReply": "request_id gallery subject template gallery_revision",
    "TemplateReport": "template modality frames source created authorisation expires picture",
    "ExtendUntil": "authorisation expires",
    "ExtendReply": "request_id audit_id gallery subject templates expires gallery_revision",
    "EnrolmentCheck": "request_id audit_id gallery subject known usable rejected alike duplicates",
    "ClipChecked": "position clip",
    "EndingReport": "subject expires templates",
    "EndingReply": "request_id gallery before ending templates",
    "AuditFinding": "record problem",
    "AuditVerification": "request_id intact records findings more_findings notices head time",
    "MergeInto": "into",
    "MergeReply": "request_id audit_id gallery subject templates_moved gallery_revision",
    "ErasureReply": "request_id audit_id receipt",
    "ReceiptReport": "gallery gallery_id subject templates pictures key destruction "
    "gallery_revision erased",
    "Model": "contract simulated",
    "ModelsReply": "request_id models",
    "ModelReport": "contract simulated dimension modalities provider variant variant_reason "
    "variants frames range_style calibrated",
    "Readiness": "status contract provider galleries unserved unserved_galleries",
    "UnservedGallery": "gallery code",
    "GalleryReadiness": "gallery gallery_revision ready behind damaged",
    "Grant": "scopes galleries note days",
    "KeyReport": "id state scopes galleries note created expires revoked old_secret_until",
    "KeyIssued": "request_id key token",
    "KeyReply": "request_id key",
    "KeyList": "request_id keys",
    "Rotation": "overlap_hours days",
    "ShownCandidate": "subject similarity template modality",
    "AuditEntry": "action outcome request caller purpose gallery revision probes modality subject "
    "candidates templates decision reviewer about intent detail sequence time previous hash "
    "audit_id",
    "AuditPage": "request_id records next_cursor head",
    "NewReview": "audit_id verdict reviewer subject note",
    "Review": "audit_id time about caller gallery subject verdict reviewer note",
    "ReviewPage": "request_id reviews next_cursor",
    "NewPassing": "audit_id source track decision quality windows seen_seconds picture",
    "Passing": "number time source track decision subject similarity quality windows seen_seconds "
    "gallery purpose audit_id picture",
    "PassingReply": "request_id number",
    "LiveReply": "request_id people newest",
    "ReviewReply": "request_id review state",
    "CaseReport": "record reviews state",
    "CasePage": "request_id cases two_reviewers next_cursor",
    "AgreementReport": "probe enrolled_by decision cases confirmed rejected open",
    "StrangersReport": "probe decision searches rejected rate low high promised contradicted",
    "ReviewStatisticsReply": "request_id two_reviewers pairs strangers",
    "Health": "status",
    "Problem": "type title status code detail request_id",
}
IDENTIFY = (
    "modality sensor forward up gallery purpose clip top_k gallery_modality subjects all_candidates"
)
BODIES = {
    "/identify": IDENTIFY,
    "/v1/identify": IDENTIFY,
    "/v1/verify": "modality sensor forward up gallery purpose clip subject other other_modality "
    "gallery_modality",
    "/v1/embed": "modality sensor forward up purpose clips",
    "/v1/tracks": "gallery purpose recording top_k gallery_modality pictures",
    "/v1/frames": "modality sensor forward up clip",
    f"{S}/templates:check": "modality sensor forward up clips new_person",
    f"{S}/templates": "modality sensor forward up authorisation expires clips new_person "
    "keep_pictures",
}


def _document(folder: Path, keys: KeyFile | None = None) -> Any:
    with services.opened(folder) as service:
        return services.client(service, keys).get("/openapi.json").json()


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return _document(tmp_path_factory.mktemp("openapi"))


def test_paths_and_methods(document: Any) -> None:
    assert {path: set(methods) for path, methods in document["paths"].items()} == PATHS


def test_schemas_and_their_fields(document: Any) -> None:
    schemas = document["components"]["schemas"]
    bodies = {name for name in schemas if name.startswith("Body_")}
    assert set(schemas) - bodies == {
        *FIELDS,
        "Action",
        "Axis",
        "CaseState",
        "Finding",
        "Modality",
        "Mode",
        "Outcome",
        "RangeStyle",
        "Reason",
        "Scope",
        "State",
        "Variant",
        "Verdict",
    }
    for name, fields in FIELDS.items():
        assert list(schemas[name]["properties"]) == fields.split(), name


def test_form_fields(document: Any) -> None:
    for path, fields in BODIES.items():
        content = document["paths"][path]["post"]["requestBody"]["content"]
        name = content["multipart/form-data"]["schema"]["$ref"].rpartition("/")[2]
        assert set(document["components"]["schemas"][name]["properties"]) == set(fields.split())


def test_refusals_are_documented_as_problem_reports(document: Any) -> None:
    for path in PATHS:
        for method, operation in document["paths"][path].items():
            refusals = {k: v for k, v in operation["responses"].items() if k.startswith("4")}
            assert refusals, (path, method)
            for refusal in refusals.values():
                assert list(refusal["content"]) == [MEDIA_TYPE]


def test_the_table_of_requests_names_each_path_once_and_all_its_fields(document: Any) -> None:
    page = (Path(__file__).parents[2] / "docs/service.md").read_text("utf-8")
    rows = re.findall(r"^\| `([A-Z]+) (/\S+?)`(.*)$", page, re.M)
    told = [(method.lower(), "/v1" + _full(path)) for method, path, _ in rows]
    told = [each for each in told if "healthz" not in each[1]]
    shown = [path for path in PATHS if path.startswith("/v1")]
    assert sorted(told) == sorted((each, path) for path in shown for each in PATHS[path])
    for method, path, words in rows:
        if "healthz" not in path:
            operation = document["paths"]["/v1" + _full(path)][method.lower()]
            for field in _fields(operation, document["components"]["schemas"]):
                assert f"`{field}`" in words, (path, field)


def _full(path: str) -> str:
    return path.replace("{s}", "{subject}").replace("{t}", "{template}").replace("{k}", "{key}")


def _fields(operation: Any, schemas: Any) -> Iterator[str]:
    """Names in the query and in the body."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query":
            yield parameter["name"]
    for content in operation.get("requestBody", {"content": {}})["content"].values():
        yield from schemas[content["schema"]["$ref"].rpartition("/")[2]]["properties"]


@pytest.mark.parametrize("schema", [IdentifyReply, VerifyReply, EnrolReply])
def test_examples_are_replies(schema: type[IdentifyReply | VerifyReply | EnrolReply]) -> None:
    (example,) = schema.model_json_schema()["examples"]
    assert schema.model_validate(example).model_dump(mode="json") == example


def test_keys_are_documented_only_where_they_are_asked_for(tmp_path: Path, document: Any) -> None:
    assert "securitySchemes" not in document["components"]
    with_keys = _document(tmp_path, KeyFile(tmp_path / "keys.json"))
    assert list(with_keys["components"]["securitySchemes"]) == ["key"]
    assert with_keys["paths"]["/identify"]["post"]["security"] == [{"key": []}]
    assert "security" not in with_keys["paths"]["/healthz"]["get"]
