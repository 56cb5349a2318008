"""The alerts and the dashboard: valid, tried out, and about figures that there are."""

import asyncio
import json
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from actors.metrics import Gauge
from gateway.edge.loop_lag import LoopLag
from gateway.http.metrics import PrometheusMetrics
from tests.end_to_end.support.processes.instances import free_port
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler
from tests.support.waiting import wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus"
DASHBOARD = DEPLOY / "grafana" / "lingua.json"
_METRIC = re.compile(r"\blingua_[a-z_]+")
_SUFFIX = re.compile(r"_(bucket|sum|count|total)$")
promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed"
)


def checked(*argv: str, text: str | None = None) -> None:
    done = subprocess.run(
        ["promtool", *argv], cwd=RULES, input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    with running_scheduler() as process:
        yield process


@promtool
def test_the_rules_and_the_configuration_are_valid() -> None:
    checked("check", "rules", "alerts.yml")
    checked("check", "config", "--syntax-only", "prometheus.yml")


@promtool
def test_the_alerts_fire_where_they_should_and_nowhere_else() -> None:
    checked("test", "rules", "alerts.test.yml")


@promtool
def test_the_figures_follow_prometheus_own_rules(scheduler: SchedulerProcess) -> None:
    text = scheduler.get("/metrics").body
    own = [line for line in text.splitlines() if "lingua_" in line]
    checked("check", "metrics", text="\n".join(own) + "\n")


def known_metrics() -> set[str]:
    async def names() -> set[str]:
        metrics = PrometheusMetrics(LoopLag(asyncio.get_running_loop()))
        for gauge in Gauge:
            metrics.watch(gauge, lambda: 0.0)
        return {family.name for family in metrics.collect()}

    return asyncio.run(names())


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return found


def panel_expressions(interval: str) -> list[str]:
    """Return what the panels ask, with the variables of Grafana filled in."""
    return [
        target["expr"].replace("$__rate_interval", interval).replace("$instance", ".*")
        for panel in dashboard()["panels"]
        for target in panel["targets"]
    ]


def test_every_figure_that_rules_and_panels_name_is_there() -> None:
    expressions = [(RULES / "alerts.yml").read_text(encoding="utf-8")]
    expressions += panel_expressions("5m")
    named = {_SUFFIX.sub("", name) for text in expressions for name in _METRIC.findall(text)}
    assert len(named) > 15
    assert named <= known_metrics()


def test_each_panel_has_its_place_its_title_and_a_source() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = set()
    for panel in panels:
        grid = panel["gridPos"]
        assert panel["title"]
        assert panel["datasource"]["uid"] == "${source}"
        assert grid["x"] + grid["w"] <= 24
        places.add((grid["x"], grid["y"]))
    assert len(places) == len(panels)


@promtool
def test_every_expression_of_the_dashboard_can_be_evaluated(tmp_path: Path) -> None:
    rules = [{"record": "lingua:checked", "expr": expr} for expr in panel_expressions("5m")]
    group = {"groups": [{"name": "panels", "rules": rules}]}
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps(group))  # JSON is YAML
    checked("check", "rules", "--lint=none", str(file))


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")
def test_a_real_prometheus_reads_the_figures_and_answers_what_the_dashboard_asks(
    scheduler: SchedulerProcess, tmp_path: Path
) -> None:
    config = (RULES / "prometheus.yml").read_text(encoding="utf-8")
    config = config.replace("127.0.0.1:5010", f"127.0.0.1:{scheduler.port}").replace("15s", "1s")
    (tmp_path / "prometheus.yml").write_text(config)
    shutil.copy(RULES / "alerts.yml", tmp_path)
    port = free_port()
    address = f"127.0.0.1:{port}"
    flags = (f"--web.listen-address={address}", f"--storage.tsdb.path={tmp_path}/data")
    argv = ["prometheus", f"--config.file={tmp_path}/prometheus.yml", *flags, "--log.level=error"]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as process:
        try:

            def asked(expr: str) -> list[Any]:
                query = urllib.parse.urlencode({"query": expr})
                url = f"http://{address}/api/v1/query?{query}"
                with urllib.request.urlopen(url, timeout=5) as reply:
                    found: list[Any] = json.load(reply)["data"]["result"]
                    return found

            def has_scraped() -> bool:
                with suppress(urllib.error.URLError):
                    return bool(asked("rate(lingua_sessions[5s]) >= 0"))
                return False

            wait_until(has_scraped, "two scrapes")
            for expr in panel_expressions("5s"):
                asked(expr)
            assert asked("lingua_store_up")[0]["value"][1] == "1"
            assert asked('ALERTS{alertname="LinguaInstanceDown"}') == []
        finally:
            process.terminate()
