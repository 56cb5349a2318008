"""Settings: where they come from, which source counts, and what a wrong one looks like."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.settings.arguments import parse
from cli.settings.error import SettingsError
from cli.settings.settings import Settings, known_settings


@pytest.fixture(autouse=True)
def _nothing_set_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in known_settings().values():
        monkeypatch.delenv(setting.variable, raising=False)
    monkeypatch.delenv("LINGUA_CONFIG", raising=False)


def load(*argv: str) -> Settings:
    arguments = parse(argv)
    return Settings.load(arguments.flags, arguments.config)


def complaint(*argv: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(*argv)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.fixture
def toml(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        path = tmp_path / "lingua.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_without_anything_given_the_defaults_of_the_rooms_stand() -> None:
    settings = load()
    assert settings == Settings()
    assert (settings.gateway.host, settings.gateway.port) == ("127.0.0.1", 5010)
    assert settings.segmenter.pause_ms == 3000
    assert settings.store.redis_url is None


def test_every_setting_can_be_given_as_flag_variable_and_key(
    monkeypatch: pytest.MonkeyPatch, toml: Callable[[str], str]
) -> None:
    for setting in known_settings().values():
        value = other_value(setting.name)
        expected = getattr(getattr(load(f"{setting.flag}={value}"), setting.package), setting.name)
        assert expected != setting.default
        assert str(expected).lower() == value.lower()
        with monkeypatch.context() as environment:
            environment.setenv(setting.variable, value)
            assert getattr(getattr(load(), setting.package), setting.name) == expected
        path = toml(f"{setting.name} = {value!r}")
        assert getattr(getattr(load("--config", path), setting.package), setting.name) == expected


def other_value(name: str) -> str:
    """Return a valid text that is not the setting's default."""
    fitting = {
        "admin_token": "sesame",
        "allow_anonymous": "nodes",
        "allowed_hosts": "speech.example",
        "allowed_origins": "https://app.example",
        "client_tokens": "acme:sesame",
        "node_tokens": "gpu:sesame",
        "audio_hold": "sent",
        "host": "127.0.0.9",
        "log_level": "DEBUG",
        "redis_url": "redis://127.0.0.1:1",
        "tenants": "acme:weight=2",
        "path_prefix": "/lingua",
        "proxy_protocol": "on",
        "trusted_proxies": "10.0.0.0/8",
        "peer_url": "ws://127.0.0.1:1/ws/peer",
    }
    setting = known_settings()[name]
    default: Any = setting.default
    if setting.kind is bool:
        return str(not default).lower()
    if setting.kind is int:
        return "0" if name == "port" else str((default or 0) + 1)
    if setting.kind is float:
        return str(default / 2)
    return fitting.get(name, "other")


def test_a_flag_counts_before_the_environment_and_that_before_the_file(
    monkeypatch: pytest.MonkeyPatch, toml: Callable[[str], str]
) -> None:
    path = toml("port = 1\npause_ms = 1\nmax_turn_ms = 1\n")
    monkeypatch.setenv("LINGUA_PORT", "2")
    monkeypatch.setenv("LINGUA_PAUSE_MS", "2")
    settings = load("--config", path, "--port", "3")
    assert settings.gateway.port == 3
    assert settings.segmenter.pause_ms == 2
    assert settings.segmenter.max_turn_ms == 1


def test_the_file_may_be_named_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, toml: Callable[[str], str]
) -> None:
    monkeypatch.setenv("LINGUA_CONFIG", toml("port = 7"))
    assert load().gateway.port == 7


def test_a_file_may_use_types_and_lists(toml: Callable[[str], str]) -> None:
    text = 'port = 7\nrecord_outcomes = false\nallow_anonymous = ["clients", "nodes"]\n'
    settings = load("--config", toml(text))
    assert settings.dispatch.record_outcomes is False
    assert settings.gateway.allow_anonymous == "clients,nodes"


def test_underscores_in_flags_are_as_good_as_dashes() -> None:
    assert load("--pause_ms", "5").segmenter.pause_ms == 5
    assert load("--pause_ms=5").segmenter.pause_ms == 5


def test_a_switch_needs_no_value_and_has_an_opposite() -> None:
    assert load("--log-json").logs.log_json is True
    assert load("--no-record-outcomes").dispatch.record_outcomes is False
    assert load("--record-outcomes", "false").dispatch.record_outcomes is False


def test_an_empty_value_is_the_same_as_none_given(
    monkeypatch: pytest.MonkeyPatch, toml: Callable[[str], str]
) -> None:
    monkeypatch.setenv("LINGUA_REDIS_URL", "")
    assert load("--config", toml('data_dir = ""'), "--host=") == Settings()


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (
            ["--port", "70000"],
            "--port: '70000' must be a whole number at least 0 and at most 65535",
        ),
        (["--port", "-1"], "--port: '-1' must be a whole number at least 0 and at most 65535"),
        (["--port", "http"], "--port: 'http' must be a whole number at least 0 and at most 65535"),
        (["--turn-wait-ms", "-5"], "--turn-wait-ms: '-5' must be a whole number at least 0"),
        (["--turn-wait-ms", "1.5"], "--turn-wait-ms: '1.5' must be a whole number at least 0"),
        (["--max-attempts", "0"], "--max-attempts: '0' must be a whole number at least 1"),
        (["--drain-seconds", "nan"], "--drain-seconds: 'nan' must be a number at least 0"),
        (["--drain-seconds", "inf"], "--drain-seconds: 'inf' must be a number at least 0"),
        (["--audio-hold", "forever"], "--audio-hold: 'forever' must be one of result, sent"),
        (["--log-json=maybe"], "--log-json: 'maybe' must be true or false"),
        (["--port"], "--port: expected one argument"),
        (["--prot", "1"], "unknown flag --prot; did you mean --port?"),
        (["--pause_m=1"], "unknown flag --pause-m; did you mean --pause-ms?"),
        (["--nodes-tokens=n:sesame"], "unknown flag --nodes-tokens; did you mean --node-tokens?"),
        (["--port", "1", "serve"], "unexpected argument 'serve'; a command comes first"),
    ],
)
def test_a_wrong_flag_is_one_line(argv: list[str], line: str) -> None:
    assert complaint(*argv) == line


def test_a_wrong_variable_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINGUA_JOB_TIMEOUT_MS", "soon")
    assert complaint() == "LINGUA_JOB_TIMEOUT_MS: 'soon' must be a whole number at least 1"


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("LINGUA_PAUSE", "; did you mean LINGUA_PAUSE_MS?"),
        ("LINGUA_REDIS_URI", "; did you mean LINGUA_REDIS_URL?"),
        ("LINGUA_XYZZY", ""),
        ("LINGUA_ADMIN_SECRET", ""),
    ],
)
def test_an_unknown_variable_is_one_line_without_its_value(
    monkeypatch: pytest.MonkeyPatch, variable: str, hint: str
) -> None:
    monkeypatch.setenv(variable, "sesame")
    assert complaint() == f"unknown environment variable {variable}{hint}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("port = 70000", "port in {}: '70000' must be a whole number at least 0 and at most 65535"),
        ("port = true", "port in {}: 'true' must be a whole number at least 0 and at most 65535"),
        (
            "port = 5010.5",
            "port in {}: '5010.5' must be a whole number at least 0 and at most 65535",
        ),
        ("prot = 5010", "unknown key 'prot' in {}; did you mean port?"),
        ("[gateway]\nport = 1", "unknown key 'gateway' in {}"),
        ("port =", "the file '{}' is not TOML: Invalid value (at end of document)"),
    ],
)
def test_a_wrong_file_is_one_line(toml: Callable[[str], str], text: str, line: str) -> None:
    path = toml(text)
    assert complaint("--config", path) == line.format(path)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    path = str(tmp_path / "none.toml")
    assert (
        complaint("--config", path)
        == f"the file '{path}' cannot be read: No such file or directory"
    )


def test_a_long_or_multi_line_value_stays_one_short_line() -> None:
    line = complaint("--port", "1\n2" * 100)
    assert "\\n" in line
    assert len(line) < 200


@pytest.mark.parametrize(
    "url",
    [
        "http://:sesame@h",
        "redis://",
        "redis://:sesame@h:port",
        "sesame",
        "unix://",
        "redis://:x@sesame/y@h:6379/0",
        "redis://:x@sesame?y@h:6379/0",
        "redis://:x@sesame#y@h:6379/0",
        "redis://sesame:12/34@h:6379/0",
        "redis+cluster://:x@sesame/y@h:6379/",
        "redis+sentinel://:x@sesame/y@h:6379/master",
    ],
)
def test_a_wrong_store_url_is_refused_without_showing_it(url: str) -> None:
    line = complaint("--redis-url", url)
    assert line.startswith("--redis-url: this value (not shown) must be a redis://")
    assert "sesame" not in line


@pytest.mark.parametrize(
    "url", ["redis://h", "rediss://u:p@h:6380/2", "unix:///run/redis.sock?db=1", "redis://[::1]:1"]
)
def test_a_store_url_may_have_every_usual_form(url: str) -> None:
    assert load("--redis-url", url).store.redis_url == url


def test_a_data_directory_beside_a_given_store_is_refused() -> None:
    line = complaint("--redis-url", "redis://h", "--data-dir", "d")
    assert line.startswith("--data-dir: 'd' must be absent when redis_url is given")


@pytest.mark.parametrize("name", ["a b", "a:b", "x" * 65, "é"])
def test_an_instance_id_must_be_fit_for_a_key(name: str) -> None:
    assert "must be 1 to 64 letters" in complaint("--instance-id", name)


@pytest.mark.parametrize("roles", ["client", "clients,operators", "all"])
def test_only_clients_and_nodes_may_be_anonymous(roles: str) -> None:
    assert "must be clients, nodes or clients,nodes" in complaint("--allow-anonymous", roles)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "scheduler.example"])  # noqa: S104 - refused
@pytest.mark.parametrize("roles", ["", "clients", "nodes"])
def test_a_public_address_is_refused_while_anyone_could_come_in(host: str, roles: str) -> None:
    line = complaint("--host", host, "--allow-anonymous", roles)
    assert line.startswith(f"--host: '{host}' must be a loopback address, or allow_anonymous")


@pytest.mark.parametrize(
    "flags",
    [
        ["--client-tokens=acme:sesame", "--node-tokens=gpu:sesame"],
        ["--jwt-secret=sesame", "--node-tokens-file=nodes"],
        ["--jwks-file=keys", "--allow-anonymous=nodes"],
        ["--client-tokens-file=clients", "--allow-anonymous=nodes"],
        ["--jwt-secret-file=secret", "--node-tokens=gpu:sesame"],
    ],
)
def test_a_public_address_is_taken_where_everybody_needs_a_token(flags: list[str]) -> None:
    assert load("--host", "192.0.2.7", *flags).gateway.host == "192.0.2.7"


def test_who_still_needs_a_token_is_said() -> None:
    line = complaint("--host", "192.0.2.7", "--client-tokens", "acme:sesame")
    assert "allow_anonymous must name nodes, or there must be node_tokens or node_ca_file:" in line


@pytest.mark.parametrize(
    ("flag", "hint"),
    [
        ("--node-tokens=sesame", "a list name:token,name:token"),
        ("--client-tokens=acme:ses ame", "a list name:token,name:token"),
        ("--client-tokens=,", "a list name:token,name:token"),
        ("--admin-token=ses ame", "a token, or several"),
    ],
)
def test_a_wrong_list_of_tokens_is_not_shown(flag: str, hint: str) -> None:
    line = complaint(flag)
    assert hint in line
    assert "ses" not in line


@pytest.mark.parametrize(
    ("flag", "hint"),
    [
        ("--allowed-origins=app.example.org", "origins such as https://app.example.org"),
        ("--allowed-origins=https://app.example.org/path", "origins such as"),
        ("--trusted-proxies=proxy", "addresses or ranges such as 10.0.0.0/8"),
        ("--allowed-hosts=app.example.org:443", "names such as speech.example.org"),
        ("--allowed-hosts=https://app.example.org", "names such as"),
    ],
)
def test_origins_and_hosts_are_judged_at_the_start(flag: str, hint: str) -> None:
    assert hint in complaint(flag)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_a_loopback_address_needs_nothing_more(host: str) -> None:
    assert load("--host", host).gateway.host == host


def test_a_public_address_is_taken_when_the_operator_says_so() -> None:
    settings = load("--host", "0.0.0.0", "--allow-anonymous", "nodes, clients")  # noqa: S104 - wanted
    assert settings.gateway.host == "0.0.0.0"  # noqa: S104 - wanted


def test_a_secret_is_never_in_the_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LINGUA_REDIS_URL", "redis://:sesame@h")
    secrets = [setting for setting in known_settings().values() if setting.secret]
    assert [setting.name for setting in secrets] == [
        *("redis_url", "cluster_secret", "node_tokens", "client_tokens", "admin_token"),
        "jwt_secret",
    ]
    with pytest.raises(SystemExit):
        parse(["--help"])
    assert "sesame" not in capsys.readouterr().out


@pytest.mark.parametrize("url", ["http://h/ws/peer", "ws://", "h:1", "ws://h:0/"])
def test_other_instances_are_told_a_url_that_they_can_call(url: str) -> None:
    assert complaint("--peer-url", url).endswith("must be a ws:// or wss:// URL")


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - they are what is refused
def test_an_address_that_nobody_can_call_is_not_told_to_others(host: str) -> None:
    assert "peer_url must name one" in complaint("--peer-host", host)
    url = "ws://h:7000/ws/peer"
    assert load("--peer-host", host, "--peer-url", url).peer.peer_url == url


@pytest.mark.parametrize(
    "flags", [("--peer-port", "7000"), ("--peer-url", "ws://127.0.0.1:7000/ws/peer")]
)
def test_several_workers_cannot_share_the_port_for_other_instances(flags: tuple[str, str]) -> None:
    assert "with several workers" in complaint("--workers", "2", *flags)
    load(*flags)
