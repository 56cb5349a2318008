"""Who may come back to a session."""

import pytest

from actors.session.profile.resumption import Resumption, TokenMint, new_token_key
from protocol.ids import SessionId
from tests.support.recording import RecordingOutbox


def offer() -> tuple[Resumption, str, RecordingOutbox]:
    outbox = RecordingOutbox()
    mint = TokenMint(SessionId("s"), new_token_key())
    resumption = Resumption("tenant", outbox, mint)
    return resumption, resumption.renew(epoch=0), outbox


def come_back(resumption: Resumption, token: str) -> str:
    resumption.claim(token, RecordingOutbox())
    assert resumption.meet()
    return resumption.renew(epoch=7)


def test_only_the_token_and_the_tenant_of_the_session_open_it() -> None:
    resumption, token, _ = offer()
    assert resumption.admits(token, "tenant")
    assert not resumption.admits(token, "another")
    assert not resumption.admits(token, "")
    for wrong in ("", token[:-1], token + "x", "\ud800", "é"):
        assert not resumption.admits(wrong, "tenant")


def test_no_two_tokens_are_the_same_and_none_is_shown() -> None:
    resumption, token, _ = offer()
    tokens = {token, *(come_back(resumption, token) for _ in range(50))}
    assert len(tokens) == 51
    assert not any(one in repr(resumption) for one in tokens)
    assert all(len(one.rpartition(".")[2]) == 32 for one in tokens)  # 192 bits


def test_the_token_that_was_shown_is_valid_until_the_client_has_spoken() -> None:
    resumption, first, _ = offer()
    lost = come_back(resumption, first)
    second = come_back(resumption, first)
    assert [resumption.admits(token, "tenant") for token in (first, lost, second)] == [
        True,
        False,
        True,
    ]
    resumption.settle()
    assert [resumption.admits(token, "tenant") for token in (first, second)] == [False, True]


def test_words_said_before_the_claim_is_met_do_not_end_the_token_that_made_it() -> None:
    resumption, first, _ = offer()
    resumption.claim(first, RecordingOutbox())
    resumption.settle()
    resumption.claim(first, RecordingOutbox())
    assert not resumption.meet()
    assert resumption.is_claimed
    assert resumption.meet()
    assert not resumption.is_claimed
    resumption.renew(epoch=7)
    assert resumption.admits(first, "tenant")


def test_a_claim_returns_the_socket_that_speaks_no_more() -> None:
    resumption, token, outbox = offer()
    other = RecordingOutbox()
    assert resumption.claim(token, outbox) is None
    assert resumption.claim(token, other) is outbox
    assert resumption.speaker is other


def test_nobody_claims_without_a_valid_token() -> None:
    resumption, _, _ = offer()
    with pytest.raises(ValueError, match="valid token"):
        resumption.claim("guess", RecordingOutbox())
