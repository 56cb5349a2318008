"""Origins and hosts: which page is our own, and by which names we are called."""

import pytest

from gateway.access.origins import KnownHosts, KnownOrigins, is_own_page


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:5010", "127.0.0.1:5010"),
        ("http://localhost:5010", "LocalHost:5010"),
        ("http://[::1]:5010", "[::1]:5010"),
        ("https://speech.example.org", "speech.example.org"),
        ("https://speech.example.org", "speech.example.org:443"),
        ("http://speech.example.org", "speech.example.org:80"),
        ("https://speech.example.org:8443", "speech.example.org:8443"),
    ],
)
def test_a_page_from_where_the_request_goes_is_our_own(origin: str, host: str) -> None:
    assert is_own_page(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", "127.0.0.1:5010"),
        ("http://127.0.0.1", "127.0.0.1:5010"),
        ("http://127.0.0.1:5011", "127.0.0.1:5010"),
        ("http://127.0.0.1:5010.evil.example", "127.0.0.1:5010"),
        ("http://127.0.0.1:5010@evil.example", "127.0.0.1:5010"),
        ("http://evil.example/127.0.0.1:5010", "127.0.0.1:5010"),
        ("http://localhost:5010", "127.0.0.1:5010"),
        ("null", "127.0.0.1:5010"),
        ("", "127.0.0.1:5010"),
        ("file://", "127.0.0.1:5010"),
        ("chrome-extension://abcdef", "127.0.0.1:5010"),
        ("http://127.0.0.1:99999", "127.0.0.1:99999"),
        ("http://[::1", "[::1"),
        ("http://a@b", "a@b"),
    ],
)
def test_any_other_page_is_a_strangers(origin: str, host: str) -> None:
    assert not is_own_page(origin, host)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1:5010", "127.0.0.1", "[::1]:5010", "localhost:5010", "app.localhost:1"),
        *("192.168.1.7:5010", "[fe80::1]:80", "Speech.Example.Org", "speech.example.org.:443"),
    ],
)
def test_addresses_names_of_this_machine_and_given_names_are_known(host: str) -> None:
    assert KnownHosts(["speech.example.org"]).has(host)


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example:5010", "127.0.0.1.evil.example", "localhost.evil.example", "", ":5010"),
        *("127.0.0.1:5010/x", "evil@127.0.0.1", "sub.speech.example.org", "127.0.0.1:port"),
    ],
)
def test_any_other_name_is_not(host: str) -> None:
    assert not KnownHosts(["speech.example.org"]).has(host)


def test_listed_origins_are_compared_whole() -> None:
    known = KnownOrigins(["https://app.example.org", "http://localhost:3000"])
    assert known.has("https://app.example.org")
    assert known.has("https://app.example.org:443")
    assert known.has("http://localhost:3000")
    for other in ("http://app.example.org", "https://app.example.org.evil", "null", ""):
        assert not known.has(other)
    assert not KnownOrigins(["null", ""]).has("null")
