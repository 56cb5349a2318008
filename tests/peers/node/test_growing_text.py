"""What of a growing text is stable."""

import pytest

from peers.node.growing_text import GrowingText


@pytest.mark.parametrize(
    ("hypotheses", "stable"),
    [
        ([], ""),
        (["and mr"], ""),
        (["and mr", "and mr john"], ""),
        (["and mr", "and mr john", "and mr john dash"], "and mr"),
        (["and mr john", "and mr john dash", "and mr john dashwood"], "and mr john"),
        (["and mr. John", "And mr. John D", "And mr. John Dash"], ""),
        (["to consider.", "to consider how", "to consider how much"], "to consider"),
        (["the same", "the same", "the same"], "the"),
        (["on", "only then", "only then he"], ""),
        (["a b c", "a b c", "a", "a b c"], "a"),
        (["a b c", "", "a b c"], ""),
        (["你好世", "你好世界", "你好世界,我们"], "你好世"),
    ],
)
def test_the_beginning_that_three_hypotheses_share_is_stable_to_the_end_of_a_word(
    hypotheses: list[str], stable: str
) -> None:
    growing = GrowingText()
    for text in hypotheses:
        growing.add(text)
    assert growing.text[: growing.stable_chars] == stable


def test_a_stable_beginning_only_grows_while_nothing_contradicts_it() -> None:
    growing = GrowingText()
    words = [*"abcdefghijkl"]
    stable = 0
    for count in range(1, len(words) + 1):
        growing.add(" ".join(words[:count]))
        assert growing.stable_chars >= stable
        stable = growing.stable_chars
    assert stable == len(" ".join(words[:-2]))
