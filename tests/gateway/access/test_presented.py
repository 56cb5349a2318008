"""The three forms in which a request may show its token."""

import pytest

from gateway.access.presented import Presented, presented_by
from tests.support.access import request


def test_a_header_a_parameter_and_a_sub_protocol_say_the_same() -> None:
    assert presented_by(request(authorization="Bearer sesame")).token == "sesame"
    assert presented_by(request("/ws/session?token=sesame")).token == "sesame"
    assert presented_by(request(sec_websocket_protocol="bearer.sesame")).token == "sesame"


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer  "])
def test_the_case_of_the_scheme_does_not_matter(scheme: str) -> None:
    assert presented_by(request(authorization=f"{scheme} sesame")).token == "sesame"


def test_the_sub_protocol_is_repeated_whole_and_others_are_not() -> None:
    shown = presented_by(request(sec_websocket_protocol="lingua, bearer.a.b.c"))
    assert shown == Presented("a.b.c", "bearer.a.b.c")
    assert presented_by(request(sec_websocket_protocol="lingua")) == Presented()


def test_a_parameter_may_be_encoded_and_stand_among_others() -> None:
    assert presented_by(request("/ws/session?x=1&token=a%2Fb%2B&y")).token == "a/b+"


def test_none_is_none() -> None:
    for asked in (
        request(),
        request("/ws/session?tokens=1"),
        request("/ws/session?token="),
        request(authorization="Basic c2VzYW1l"),
        request(authorization="Bearer"),
        request(sec_websocket_protocol="bearer."),
        request("/ws/session?" + "&".join(f"token{n}=x" for n in range(100)) + "&token=sesame"),
    ):
        assert presented_by(asked).token is None


def test_the_same_token_twice_is_one() -> None:
    shown = presented_by(request("/ws/session?token=sesame", authorization="Bearer sesame"))
    assert shown == Presented("sesame")


def test_two_different_tokens_are_none() -> None:
    for asked in (
        request("/ws/session?token=a", authorization="Bearer b"),
        request("/ws/session?token=a&token=b"),
        request("/", ("Authorization", "Bearer a"), ("Authorization", "Bearer b")),
        request(sec_websocket_protocol="bearer.a, bearer.b"),
    ):
        assert presented_by(asked) == Presented(is_unclear=True)


def test_a_sub_protocol_that_is_no_word_is_not_looked_at() -> None:
    for wrong in ("bearer.a/b", "bearer.a b", 'bearer.a, "x"'):
        assert presented_by(request(sec_websocket_protocol=wrong)).is_unclear


def test_no_repr_shows_a_token() -> None:
    assert "sesame" not in repr(presented_by(request(sec_websocket_protocol="bearer.sesame")))
