"""How recognised words are compared with spoken ones."""

import pytest

from peers.recordings import RECORDINGS_DIR, carried_recordings, word_errors


@pytest.mark.parametrize(
    ("transcript", "recognised", "errors"),
    [
        ("he was not", "he was not", 0),
        ("Mister Dashwood, then!", "mr dashwood then", 0),
        ("he was not", "he is not", 1),
        ("he was not", "not", 2),
        ("he was not", "and he was not here", 2),
        ("he was not", "", 3),
        ("", "noise", 1),
    ],
)
def test_words_are_counted_that_differ(transcript: str, recognised: str, errors: int) -> None:
    assert word_errors(transcript, recognised) == errors


def test_the_description_names_every_recording_and_its_words() -> None:
    readme = (RECORDINGS_DIR / "README.md").read_text(encoding="utf-8")
    for recording in carried_recordings():
        assert recording.path.is_file()
        assert recording.name in readme
        assert recording.transcript in readme
