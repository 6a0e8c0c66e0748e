"""The image, the composition and the documents of operation fit the repository."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Metric

from gallery.record.location import parse_database
from serve.run import Arguments
from serve.settings import PREFIX, Settings, descriptions, settings_table
from serve.work.metrics import Metrics

pytestmark = pytest.mark.serving

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
OPERATIONS = (ROOT / "docs/operations.md").read_text("utf-8")
SERVICE = Settings.model_fields
BESIDES = {"MASTER_KEY", "MASTER_KEY_FILE"}


def _yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text("utf-8"))


def _known(names: set[str]) -> bool:
    return names <= {name.upper() for name in SERVICE} | BESIDES


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    let_in = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.M)
    for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.M):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert source.removeprefix("./").split("/")[0] in let_in, source


def test_what_the_image_runs_was_copied_into_it() -> None:
    final = DOCKERFILE.split("FROM ${BASE}\n")[1]
    copied = set(re.findall(r"scripts/[\w-]+", "".join(re.findall(r"^COPY .+$", final, re.M))))
    used = set(
        re.findall(r"/opt/gait/(scripts/[\w-]+)", re.sub(r"^COPY .+$", "", final, flags=re.M))
    )
    assert used
    assert used <= copied
    assert "torch" not in final


def test_user_port_volume_and_settings_of_the_image() -> None:
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.M)
    assert f"EXPOSE {SERVICE['port'].default}" in DOCKERFILE
    assert "VOLUME /data" in DOCKERFILE
    assert _known(set(re.findall(rf"{PREFIX}(\w+)=", DOCKERFILE)))
    assert f"{PREFIX}DATA=/data" in DOCKERFILE


def test_the_composed_service_is_locked_down() -> None:
    composed = _yaml("compose.yaml")
    service = composed["services"]["service"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == "10001:10001"
    assert service["ports"] == ["127.0.0.1:8000:8000"]
    assert "data:/data" in service["volumes"]
    assert _known({name.removeprefix(PREFIX) for name in service["environment"]})
    secret = service["environment"][f"{PREFIX}MASTER_KEY_FILE"]
    assert secret.removeprefix("/run/secrets/") in service["secrets"]
    for each in composed["services"].values():
        assert set(each.get("secrets", ())) <= set(composed["secrets"])
        for volume in each["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("./deploy"):
                assert (ROOT / source).exists(), source
            elif not source.startswith("."):
                assert source in composed["volumes"], source


def test_the_composition_with_postgres_fits_the_other() -> None:
    composed, added = _yaml("compose.yaml"), _yaml("deploy/postgres.yaml")
    service = added["services"]["service"]
    variables = set(service["environment"])
    assert _known({name.removeprefix(PREFIX) for name in variables if name.startswith(PREFIX)})
    assert {name for name in variables if not name.startswith(PREFIX)} == {"PGPASSFILE"}
    database = parse_database(service["environment"][f"{PREFIX}GALLERIES"])
    server = added["services"][str(database.url.host)]
    assert database.url.username == server["environment"]["POSTGRES_USER"]
    assert database.url.database == server["environment"]["POSTGRES_DB"]
    secrets = composed["secrets"] | added["secrets"]
    for each in added["services"].values():
        assert set(each["secrets"]) <= set(secrets)
        assert {v.split(":")[0] for v in each.get("volumes", ())} <= set(added["volumes"])
        for name, value in each["environment"].items():
            if name.endswith("FILE"):
                assert value.removeprefix("/run/secrets/") in each["secrets"]


def _exported() -> set[str]:
    names: set[str] = set()
    for family in Metrics().registry.collect():
        assert isinstance(family, Metric)
        ends = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
        names |= {family.name + end for end in ends.get(family.type, [""])}
    return names


def _alerts() -> list[dict[str, Any]]:
    return [rule for group in _yaml("deploy/alerts.yml")["groups"] for rule in group["rules"]]


def test_alerts_and_dashboard_name_metrics_that_exist() -> None:
    board = json.loads((ROOT / "deploy/grafana/dashboards/gait.json").read_text("utf-8"))
    shown = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    for expression in [*shown, *(rule["expr"] for rule in _alerts())]:
        names = set(re.findall(r"\bgait_\w+", expression))
        assert names or expression.startswith("up{"), expression
        assert names <= _exported(), expression


def test_prometheus_asks_the_service_with_its_key() -> None:
    (job,) = _yaml("deploy/prometheus.yml")["scrape_configs"]
    composed = _yaml("compose.yaml")
    (target,) = job["static_configs"][0]["targets"]
    assert target == "service:8000"
    assert job["authorization"]["credentials_file"] == "/run/secrets/metrics_key"
    assert composed["services"]["prometheus"]["secrets"] == ["metrics_key"]


def test_every_alert_is_explained() -> None:
    assert all(f"| `{rule['alert']}` |" in OPERATIONS for rule in _alerts())


def test_the_table_of_settings_is_the_one_of_the_class() -> None:
    """Made by `python -m serve.settings`."""
    text = (ROOT / "docs/service.md").read_text("utf-8")
    table = text.partition("<!-- made by `python -m serve.settings` -->\n")[2]
    assert table.partition("<!-- end -->")[0] == settings_table()
    assert set(descriptions()) == set(SERVICE)
    assert {each.name for each in fields(Arguments)} == set(SERVICE)
