"""`deploy/`: what its files say agrees with the program and with each other."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.settings.settings import Settings, known_settings
from gateway.http.answers import is_for_everybody
from setup import INSIDE, NAME

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".md")
VARIABLE = re.compile(r"\b(LINGUA_[A-Z_]+)\b")
SCHEDULER, SERVICE, BUDGET = yaml.safe_load_all((DEPLOY / "kubernetes/lingua.yaml").read_text())
[NODE] = yaml.safe_load_all((DEPLOY / "kubernetes/node.yaml").read_text())
SECRETS = list(yaml.safe_load_all((DEPLOY / "kubernetes/secret.example.yaml").read_text()))
DRAIN_SECONDS = Settings().gateway.drain_seconds


def pod(deployment: Any) -> Any:
    return deployment["spec"]["template"]["spec"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_variable_is_a_setting(path: Path) -> None:
    known = {setting.variable for setting in known_settings().values()}
    assert set(VARIABLE.findall(path.read_text(encoding="utf-8"))) <= known


def test_the_image_holds_every_package() -> None:
    copied = re.findall(r"^COPY (\w+) \1$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert set(copied) == {*INSIDE, NAME, "locks"}


def test_the_image_is_made_of_what_is_locked() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    installs = re.findall(r"pip install (.*?)(?:&&|\n)", text)
    assert len(installs) == 4
    for options in installs:
        assert "--require-hashes -r locks/" in options or "--no-deps" in options


def test_nothing_runs_as_root() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert text.count("USER 10001:10001") == 2
    for deployment in (SCHEDULER, NODE):
        assert pod(deployment)["securityContext"]["runAsNonRoot"] is True


def test_probes_ask_for_what_everybody_may_see() -> None:
    [container] = pod(SCHEDULER)["containers"]
    probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
    assert [probe["path"] for probe in probes] == ["/health", "/health", "/ready"]
    for probe in probes:
        assert is_for_everybody(probe["path"].split("/")[1:])


def test_who_is_to_end_has_time_to_finish() -> None:
    [container] = pod(SCHEDULER)["containers"]
    before = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod(SCHEDULER)["terminationGracePeriodSeconds"] > before + DRAIN_SECONDS
    assert pod(NODE)["terminationGracePeriodSeconds"] > 30
    for unit in ("lingua.service", "lingua-node.service"):
        text = (DEPLOY / "systemd" / unit).read_text(encoding="utf-8")
        assert int(re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)[0]) > DRAIN_SECONDS


def test_service_and_budget_select_the_schedulers() -> None:
    labels = SCHEDULER["spec"]["template"]["metadata"]["labels"]
    assert SERVICE["spec"]["selector"] == labels
    assert BUDGET["spec"]["selector"]["matchLabels"] == labels
    assert SERVICE["metadata"]["name"] in pod(NODE)["containers"][0]["args"][2]


def test_the_secrets_hold_what_the_pods_read() -> None:
    held = {secret["metadata"]["name"]: set(secret["stringData"]) for secret in SECRETS}
    [container] = pod(SCHEDULER)["containers"]
    references = [
        each["valueFrom"]["secretKeyRef"]
        for each in container["env"]
        if "secretKeyRef" in each.get("valueFrom", {})
    ]
    files = [each["value"] for each in container["env"] if each["name"].endswith("_FILE")]
    assert {each["key"] for each in references} <= held["lingua"]
    assert {Path(path).name for path in files} <= held["lingua"]
    assert Path(pod(NODE)["containers"][0]["args"][4]).name in held["lingua-node"]
