"""What an orchestrator puts into the environment is no setting; a mistake of one's own is one."""

import pytest

from cli.settings.error import SettingsError
from cli.settings.settings import Settings, known_settings

OF_THE_SERVICE = {
    "LINGUA_SERVICE_HOST": "10.96.12.7",
    "LINGUA_SERVICE_PORT": "5010",
    "LINGUA_SERVICE_PORT_WS": "5010",
    "LINGUA_PORT": "tcp://10.96.12.7:5010",
    "LINGUA_PORT_5010_TCP": "tcp://10.96.12.7:5010",
    "LINGUA_PORT_5010_TCP_PROTO": "tcp",
    "LINGUA_PORT_5010_TCP_PORT": "5010",
    "LINGUA_PORT_5010_TCP_ADDR": "10.96.12.7",
}
OF_ANOTHER_SERVICE = {
    "LINGUA_REDIS_SERVICE_HOST": "10.96.12.8",
    "LINGUA_REDIS_SERVICE_PORT": "6379",
    "LINGUA_REDIS_SERVICE_PORT_REDIS": "6379",
    "LINGUA_REDIS_PORT": "tcp://10.96.12.8:6379",
    "LINGUA_REDIS_PORT_6379_TCP": "tcp://10.96.12.8:6379",
    "LINGUA_REDIS_PORT_6379_TCP_ADDR": "10.96.12.8",
}
NAMED_LIKE_A_SETTING = {
    "LINGUA_PEER_PORT": "tcp://10.96.12.9:7000",
    "LINGUA_PEER_SERVICE_HOST": "10.96.12.9",
    "LINGUA_DNS_PORT": "udp://10.96.0.10:53",
    "LINGUA_DNS_PORT_53_UDP": "udp://10.96.0.10:53",
    "LINGUA_SIGNAL_PORT": "sctp://10.96.0.11:36412",
    "LINGUA_SIGNAL_PORT_36412_SCTP_PROTO": "sctp",
}


@pytest.fixture(autouse=True)
def _nothing_set_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in known_settings().values():
        monkeypatch.delenv(setting.variable, raising=False)


@pytest.mark.parametrize("variables", [OF_THE_SERVICE, OF_ANOTHER_SERVICE, NAMED_LIKE_A_SETTING])
def test_what_kubernetes_injects_is_ignored(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    assert Settings.load({}) == Settings()
    assert Settings.load({"port": "7"}).gateway.port == 7


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("LINGUA_PORT", "5010x"),
        ("LINGUA_PORT", "http://10.96.12.7:5010"),
        ("LINGUA_PORT", "10.96.12.7:5010"),
        ("LINGUA_PEER_PORT", "tcp:7000"),
        ("LINGUA_MAX_JOBS", "4"),
        ("LINGUA_PAUSE_MS", "-1"),
        ("LINGUA_PAUSE_MS", "tcp://10.96.12.7:5010"),
        ("LINGUA_REDIS_SERVICE", "x"),
        ("LINGUA_REDIS_SERVICE_HOSTNAME", "x"),
        ("LINGUA_REDIS_PORT", "6379"),
        ("LINGUA_REDIS_PORT_TCP", "tcp://10.96.12.8:6379"),
        ("LINGUA_REDIS_PORT_6379_HTTP", "x"),
    ],
)
def test_a_mistake_of_one_s_own_is_still_told(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(SettingsError, match=rf"{variable}\b"):
        Settings.load({})


def test_a_setting_with_such_a_name_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINGUA_PORT", "7")
    monkeypatch.setenv("LINGUA_PEER_PORT", "8")
    settings = Settings.load({})
    assert (settings.gateway.port, settings.peer.peer_port) == (7, 8)
