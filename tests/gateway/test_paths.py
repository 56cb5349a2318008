"""The path below which a proxy serves the service."""

import pytest

from gateway.paths import Paths, is_prefix


@pytest.mark.parametrize("text", ["", "/lingua", "/a/b-c", "/v1.0/~x"])
def test_a_prefix_is_a_plain_path(text: str) -> None:
    assert is_prefix(text)


@pytest.mark.parametrize(
    "text", ["/", "lingua", "/lingua/", "//a", "/a/../b", "/a?b", "/é", "/a b"]
)
def test_nothing_else_is_one(text: str) -> None:
    assert not is_prefix(text)


@pytest.mark.parametrize(
    ("path", "within"),
    [
        ("/lingua/", "/"),
        ("/lingua/ws/session?token=x", "/ws/session?token=x"),
        ("/ready", "/ready"),
        ("/linguax/ready", "/linguax/ready"),
        ("/lingua", None),
        ("/lingua?a=/b", None),
        ("*", "*"),
    ],
)
def test_it_is_taken_off_once_and_need_not_be_there(path: str, within: str | None) -> None:
    assert Paths("/lingua").within(path) == within


def test_without_a_prefix_a_path_is_what_it_is() -> None:
    assert Paths("").within("/ws/session") == "/ws/session"
    assert Paths("").begins("GET /ws/session") == (b"GET /ws/session",)
    assert Paths("").home == "/"
