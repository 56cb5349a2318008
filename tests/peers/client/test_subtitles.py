"""An SRT file of what was said: players are strict about it."""

from peers.client.subtitles import srt
from protocol.ids import SessionId
from protocol.messages.session_outbound import TranslationResult


def result(index: int, start_ms: int, end_ms: int, text: str, heard: str = "") -> TranslationResult:
    return TranslationResult(
        session_id=SessionId("s"),
        utterance_index=index,
        job_id="j",
        text_asr=heard,
        text_translated=text,
        speech_start_ms=start_ms,
        speech_end_ms=end_ms,
    )


def test_entries_stand_in_order_with_their_times() -> None:
    later = result(1, 3_723_004, 3_725_000, "adiós")
    assert srt([later, result(0, 0, 1500, "hola")]) == (
        "1\n00:00:00,000 --> 00:00:01,500\nhola\n\n2\n01:02:03,004 --> 01:02:05,000\nadiós\n"
    )


def test_what_would_end_an_entry_is_taken_out() -> None:
    [_, _, *text] = srt([result(0, 0, 900, "one\r\n\r\n\n  two  --> three \n")]).split("\n")
    assert text == ["one", "two -> three", ""]


def test_silence_has_no_entry_and_a_transcript_stands_for_itself() -> None:
    found = srt([result(0, 0, 900, " "), result(1, 900, 900, "", "hello")])
    assert found == "1\n00:00:00,900 --> 00:00:00,901\nhello\n"
    assert srt([]) == ""
