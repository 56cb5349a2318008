"""Who hears an utterance, and in which languages."""

from actors.messages.room import Listener
from actors.room.audience import Readers, Track, audience
from protocol.ids import InstanceId, SessionId


def listener(name: str, language: str) -> Listener:
    return Listener(SessionId(name), InstanceId("i1"), language, wants_pcm16=False)


ANN, BOB, EVE = listener("ann", "fr"), listener("bob", "de"), listener("eve", "fr")


def languages(tracks: tuple[Track, ...]) -> list[tuple[str, str | None]]:
    return [(track.language, track.further_language) for track in tracks]


def test_one_job_per_language_in_the_order_of_members() -> None:
    heard_by = audience([ANN, BOB, EVE], "en", "es")
    assert languages(heard_by.tracks) == [("fr", None), ("de", "de")]
    assert [track.listeners for track in heard_by.tracks] == [(ANN, EVE), (BOB,)]
    assert not any(track.for_speaker for track in heard_by.tracks)
    assert heard_by.readers == ()


def test_the_speakers_language_is_no_job_but_a_reader() -> None:
    reader = listener("rae", "en")
    heard_by = audience([reader, BOB], "en", "es")
    assert languages(heard_by.tracks) == [("de", None)]
    assert heard_by.readers == (reader,)


def test_one_language_is_one_job_however_it_is_written() -> None:
    canadian, norse = listener("cat", "fr-CA"), listener("nia", "nb")
    heard_by = audience([ANN, canadian, norse, listener("rae", "en_US")], "eng", "es")
    assert languages(heard_by.tracks) == [("fr", None), ("nb", "nb")]
    assert heard_by.tracks[0].listeners == (ANN, canadian)
    assert [reader.session_id for reader in heard_by.readers] == ["rae"]


def test_two_scripts_are_two_jobs() -> None:
    heard_by = audience([listener("a", "zh-CN"), listener("b", "zh-TW")], "en", "es")
    assert languages(heard_by.tracks) == [("zh-CN", None), ("zh-TW", "zh-TW")]


def test_an_open_turn_goes_on_in_the_tag_that_it_began_with() -> None:
    open_tracks = [Track("fr", (ANN,))]
    canadian = listener("cat", "fr-CA")
    heard_by = audience([canadian], "en", "es", open_tracks, "fr")
    assert languages(heard_by.tracks) == [("fr", None)]
    assert heard_by.tracks[0].listeners == (canadian, ANN)


def test_readers_alone_make_a_job_that_only_recognises() -> None:
    heard_by = audience([listener("rae", "en")], "en", "es")
    assert heard_by.tracks == (Track("en", translates=False),)


def test_a_speaker_alone_hears_itself() -> None:
    assert audience([], "en", "es").tracks == (Track("es", for_speaker=True),)


def test_nobody_understands_a_speaker_whose_language_is_to_be_recognised() -> None:
    heard_by = audience([listener("a", "en"), BOB], "auto", "es")
    assert languages(heard_by.tracks) == [("en", None), ("de", "de")]
    assert heard_by.readers == ()


def test_a_language_has_the_same_suffix_whoever_else_listens() -> None:
    assert languages(audience([BOB], "en", "es", (), "fr").tracks) == [("de", "de")]
    both = audience([BOB, ANN], "en", "es", (), "fr")
    assert languages(both.tracks) == [("de", "de"), ("fr", None)]


def test_an_open_turn_is_finished_in_its_languages_for_those_who_began_to_hear_it() -> None:
    open_tracks = [Track("fr", (ANN, EVE)), Track("de", (BOB,), further_language="de")]
    heard_by = audience([ANN], "en", "es", open_tracks, "fr")
    assert languages(heard_by.tracks) == [("fr", None), ("de", "de")]
    assert [track.listeners for track in heard_by.tracks] == [(ANN, EVE), (BOB,)]


def test_who_spoke_alone_when_somebody_came_hears_the_end_of_its_turn() -> None:
    heard_by = audience([ANN], "en", "es", [Track("es", for_speaker=True)], "fr")
    assert languages(heard_by.tracks) == [("fr", "fr"), ("es", None)]
    assert [track.for_speaker for track in heard_by.tracks] == [False, True]


def test_who_stays_alone_in_the_middle_of_a_turn_hears_its_rest_as_those_who_left() -> None:
    heard_by = audience([], "en", "es", [Track("fr", (ANN,))], "fr")
    assert [(t.language, t.listeners, t.for_speaker) for t in heard_by.tracks] == [
        ("es", (), True),
        ("fr", (ANN,), False),
    ]


def test_at_most_one_language_of_an_utterance_goes_without_a_suffix() -> None:
    for first in (None, "fr", "de", "es", "xx"):
        for open_tracks in ([], [Track("es", for_speaker=True)], [Track("pt", (BOB,))]):
            tracks = audience([ANN, BOB], "en", "es", open_tracks, first).tracks
            plain = [track.language for track in tracks if track.further_language is None]
            assert len(plain) <= 1
            assert len({track.language for track in tracks}) == len(tracks)


def test_the_first_text_serves_the_readers_and_no_later_one() -> None:
    readers = Readers((ANN,), 3)
    assert readers.job_ended(has_text=False) == ()
    assert readers.job_ended(has_text=True) == (ANN,)
    assert readers.job_ended(has_text=True) == ()


def test_without_any_text_the_last_job_serves_the_readers() -> None:
    readers = Readers((ANN,), 2)
    assert readers.job_ended(has_text=False) == ()
    assert readers.job_ended(has_text=False) == (ANN,)
