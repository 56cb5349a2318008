"""Lists of tokens: how they are written, whose a token is, and what must never be shown."""

import hashlib

import pytest

from gateway.access.tokens import TokenError, TokenTable, named_tokens, plain_tokens


def test_a_token_belongs_to_the_name_before_it() -> None:
    table = TokenTable(named_tokens("gpu-1:first, gpu-2:second"))
    assert table.name_of("first") == "gpu-1"
    assert table.name_of("second") == "gpu-2"


@pytest.mark.parametrize("wrong", ["", "firs", "first ", "First", "gpu-1:first", "gpu-1"])
def test_what_is_almost_a_token_is_nobodys(wrong: str) -> None:
    assert TokenTable(named_tokens("gpu-1:first")).name_of(wrong) is None


def test_several_tokens_of_one_name_are_valid_at_once() -> None:
    table = TokenTable(named_tokens("acme:old\nacme:new"))
    assert table.name_of("old") == table.name_of("new") == "acme"


def test_lines_commas_and_comments_may_be_mixed() -> None:
    text = "# nodes of the first hall\ngpu-1 : a\n\n gpu-2:b, gpu-3:c\n# gpu-4:d\n"
    assert TokenTable(named_tokens(text)).names == {"gpu-1", "gpu-2", "gpu-3"}


def test_a_token_may_hold_colons() -> None:
    assert TokenTable(named_tokens("acme:to:ken")).name_of("to:ken") == "acme"


def test_a_hashed_token_is_shown_as_what_was_hashed_never_as_its_hash() -> None:
    digest = hashlib.sha256(b"sesame").hexdigest()
    table = TokenTable(named_tokens(f"acme:sha256:{digest}"))
    assert table.name_of("sesame") == "acme"
    assert table.name_of(f"sha256:{digest}") is None
    assert table.name_of(digest) is None


def test_tokens_of_operators_need_no_name() -> None:
    digest = hashlib.sha256(b"third").hexdigest()
    table = TokenTable(plain_tokens(f"first\nsecond,sha256:{digest}"))
    assert all(table.name_of(token) is not None for token in ("first", "second", "third"))
    assert table.name_of("fourth") is None


@pytest.mark.parametrize(
    "text", ["sesame", ":sesame", "acme:", "ac me:sesame", "acme:ses ame", f"acme:{'x' * 5000}"]
)
def test_what_is_no_entry_is_said_without_showing_it(text: str) -> None:
    with pytest.raises(TokenError) as caught:
        named_tokens(f"good:fine,{text}")
    assert "entry 2" in str(caught.value)
    assert "ses" not in str(caught.value)


def test_one_token_cannot_have_two_names() -> None:
    with pytest.raises(TokenError, match="a and b have the same token"):
        TokenTable(named_tokens("a:sesame,b:sesame"))


def test_no_repr_shows_a_token_or_its_hash() -> None:
    tokens = named_tokens("acme:sesame")
    shown = f"{tokens} {TokenTable(tokens)!r}"
    assert "sesame" not in shown
    assert hashlib.sha256(b"sesame").hexdigest() not in shown
    assert "digest" not in shown


def test_half_surrogates_and_very_long_texts_are_nobodys() -> None:
    table = TokenTable(named_tokens("acme:sesame"))
    assert table.name_of("\udcff") is None
    assert table.name_of("x" * 1_000_000) is None
