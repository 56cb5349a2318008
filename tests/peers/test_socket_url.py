"""Addresses as people write them."""

import pytest

from peers.socket_url import SESSION_PATH, UrlError, shown_url, socket_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("ws://127.0.0.1:5010", "ws://127.0.0.1:5010/ws/session"),
        ("ws://host/", "ws://host/ws/session"),
        ("wss://host:1/other?a=b", "wss://host:1/other?a=b"),
        ("ws://[::1]:5010", "ws://[::1]:5010/ws/session"),
        ("localhost:5010", "ws://localhost:5010/ws/session"),
        ("localhost", "ws://localhost/ws/session"),
        ("https://host", "wss://host/ws/session"),
        ("http://host:5010/", "ws://host:5010/ws/session"),
    ],
)
def test_the_path_is_added_where_it_is_missing(text: str, url: str) -> None:
    assert socket_url(text, SESSION_PATH) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost:",
        "ftp://host",
        "host:port",
        "ws://",
        "ws://host:port",
        "ws://host:0",
        "ws://h#x",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UrlError, match="no WebSocket address"):
        socket_url(text, SESSION_PATH)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ws://host:1/ws/node?token=sesame", "ws://host:1/ws/node"),
        ("ws://user:ses@me@host:1/ws/node", "ws://host:1/ws/node"),
        ("host:5010", "host:5010"),
        ("me:sesame@host", "host"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert shown_url(url) == shown
