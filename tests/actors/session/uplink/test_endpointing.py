"""The server hears the end of an utterance. Times are literal, in ms; a chunk is 100 ms of PCM."""

import random
import wave
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.session.cut import Cut, CutReason
from protocol.audio.framing import AudioFormat, join_packets, split_packets
from protocol.messages.shared import EndpointingMode
from tests.actors.support.speaker import Speaker, pcm, reasons, silent_opus

SERVER, AUTO, CLIENT = EndpointingMode.SERVER, EndpointingMode.AUTO, EndpointingMode.CLIENT
WAVES = Path(__file__).parents[4] / "peers" / "data" / "speech"
PACKETS = Path(__file__).parents[3] / "data" / "speech"
CHUNK_MS = 100
VOICE, ZEROS = pcm(CHUNK_MS), pcm(CHUNK_MS, sample=0)
SENTENCES = ("librivox-0870", "librivox-0880", "librivox-0930")


class Microphone:
    """Streams chunks at the pace of speech and notes what is cut, and when."""

    def __init__(self, endpointing: EndpointingMode, **options: float) -> None:
        self.speaker = Speaker(AudioFormat.PCM16, endpointing, **options)
        self.now_ms = 0
        self.cuts: list[Cut] = []
        self.cut_at_ms: list[int] = []

    def stream(self, audio: bytes, chunk_ms: int = CHUNK_MS) -> "Microphone":
        size = 32 * chunk_ms
        for start in range(0, len(audio), size):
            self.now_ms += chunk_ms
            self._note(self.speaker.say(audio[start : start + size], self.now_ms))
        return self

    def final(self) -> "Microphone":
        self._note(self.speaker.final(self.now_ms))
        self._note(self.speaker.poll(self.now_ms + 60))
        return self

    def _note(self, cuts: list[Cut]) -> None:
        self.cuts += cuts
        self.cut_at_ms += [self.now_ms] * len(cuts)


def samples(values: list[int]) -> bytes:
    return array("h", values).tobytes()


def noise(duration_ms: int, loudness: int, seed: int = 1) -> bytes:
    chance = random.Random(seed)
    return samples([chance.randint(-loudness, loudness) for _ in range(16 * duration_ms)])


def mixed(audio: bytes, background: bytes) -> bytes:
    pairs = zip(array("h", audio), array("h", background), strict=False)
    return samples([max(-32768, min(32767, one + other)) for one, other in pairs])


def sentence(name: str) -> bytes:
    with wave.open(str(WAVES / f"{name}.wav")) as recording:
        frames: bytes = recording.readframes(recording.getnframes())
        return frames


class TestEnds:
    def test_silence_after_speech_ends_an_utterance(self) -> None:
        microphone = Microphone(SERVER).stream(VOICE * 10 + ZEROS * 30)
        [cut] = microphone.cuts
        assert cut.reason is CutReason.ENDPOINT
        assert microphone.cut_at_ms == [1_800]
        assert (cut.duration_ms, cut.padding_ms, cut.ends_turn) == (1_800, 220, True)

    def test_auto_waits_longer(self) -> None:
        microphone = Microphone(AUTO).stream(VOICE * 10 + ZEROS * 30)
        assert microphone.cut_at_ms == [2_300]

    def test_a_shorter_pause_ends_nothing(self) -> None:
        microphone = Microphone(SERVER).stream((VOICE * 5 + ZEROS * 6) * 3)
        assert microphone.cuts == []

    def test_every_sentence_of_a_stream_is_an_utterance(self) -> None:
        microphone = Microphone(SERVER).stream((VOICE * 5 + ZEROS * 20) * 4)
        assert reasons(microphone.cuts) == [CutReason.ENDPOINT] * 4
        assert [cut.turn_part for cut in microphone.cuts] == [0] * 4

    def test_the_client_alone_cuts_where_it_says_so(self) -> None:
        microphone = Microphone(CLIENT).stream(VOICE * 5 + ZEROS * 40)
        assert microphone.cuts == []
        assert [cut.duration_ms for cut in microphone.final().cuts] == [4_500]

    def test_auto_is_over_with_the_clients_first_final(self) -> None:
        microphone = Microphone(AUTO).stream(VOICE * 5).final()
        microphone.stream(VOICE * 5 + ZEROS * 30)
        assert reasons(microphone.cuts) == [CutReason.MANUAL]

    def test_server_goes_on_after_a_final(self) -> None:
        microphone = Microphone(SERVER).stream(VOICE * 5).final()
        microphone.now_ms += 100
        microphone.stream(VOICE * 5 + ZEROS * 10)
        assert reasons(microphone.cuts) == [CutReason.MANUAL, CutReason.ENDPOINT]

    def test_a_limit_of_time_is_stronger(self) -> None:
        microphone = Microphone(SERVER, max_duration_ms=1_000).stream(VOICE * 10 + ZEROS * 10)
        assert reasons(microphone.cuts) == [CutReason.MAX_DURATION, CutReason.ENDPOINT]

    def test_silence_alone_ends_a_turn_with_open_segments(self) -> None:
        microphone = Microphone(SERVER, max_duration_ms=1_000).stream(VOICE * 10 + ZEROS * 30)
        first, last = microphone.cuts
        assert (last.reason, last.closing, last.turn_id) == (
            CutReason.ENDPOINT, True, first.turn_id,
        )  # fmt: skip
        assert microphone.cut_at_ms == [1_000, 1_800]

    def test_opus_of_a_microphone_ends_too(self) -> None:
        speaker = Speaker(AudioFormat.OPUS, SERVER)
        packets = split_packets((PACKETS / "librivox-0880.opus").read_bytes())
        chunks = [join_packets(packets[at : at + 13]) for at in range(0, len(packets), 13)]
        chunks += [silent_opus()] * 8
        cuts = [cut for at, chunk in enumerate(chunks) for cut in speaker.say(chunk, at * 260)]
        assert reasons(cuts) == [CutReason.ENDPOINT]


class TestLeadIn:
    def test_silence_before_speech_is_left_out_but_for_its_end(self) -> None:
        microphone = Microphone(SERVER).stream(ZEROS * 600 + VOICE * 5 + ZEROS * 10)
        [cut] = microphone.cuts
        assert cut.audio == ZEROS * 3 + VOICE * 5 + ZEROS * 8
        assert (cut.first_seq, cut.last_seq) == (597, 612)

    def test_it_counts_in_no_limit_of_time(self) -> None:
        microphone = Microphone(SERVER, max_duration_ms=1_000, max_turn_ms=1_000)
        microphone.stream(ZEROS * 100 + VOICE * 6)
        assert microphone.cuts == []
        microphone.stream(VOICE)
        assert reasons(microphone.cuts) == [CutReason.MAX_TURN]

    def test_it_is_heard_and_held_only_for_as_long(self) -> None:
        microphone = Microphone(SERVER).stream(ZEROS * 50)
        segmenter = microphone.speaker.segmenter
        assert (segmenter.heard_ms, segmenter.held_bytes, segmenter.first_seq) == (5_000, 9_600, 47)
        assert segmenter.poll(microphone.now_ms + 3_000) == []
        assert (segmenter.held_bytes, segmenter.first_seq) == (0, None)

    def test_a_final_takes_what_is_kept(self) -> None:
        """What the server takes for background may have been whispered: the client knows better."""
        microphone = Microphone(SERVER).stream(noise(5_000, 300))
        microphone.stream(noise(3_000, 300, seed=2)).final()
        assert microphone.cuts[-1].reason is CutReason.MANUAL

    def test_nothing_is_left_out_where_the_client_cuts(self) -> None:
        microphone = Microphone(CLIENT).stream(ZEROS * 20 + VOICE).final()
        assert microphone.cuts[0].audio == ZEROS * 20 + VOICE


class TestBackground:
    @pytest.mark.parametrize("loudness", [30, 300, 1_000])
    def test_steady_noise_is_no_speech_once_it_is_known(self, loudness: int) -> None:
        microphone = Microphone(AUTO).stream(noise(60_000, loudness))
        assert len(microphone.cuts) <= 1
        assert microphone.speaker.segmenter.held_bytes < 32 * 500

    @pytest.mark.parametrize("name", SENTENCES)
    @pytest.mark.parametrize("loudness", [0, 100, 400])
    def test_a_sentence_before_noise_is_one_utterance(self, name: str, loudness: int) -> None:
        microphone = Microphone(AUTO).stream(noise(4_000, loudness))
        microphone.cuts.clear()
        speech = sentence(name) + bytes(32 * 2_500)
        microphone.stream(mixed(speech, noise(len(speech) // 32, loudness, seed=2)))
        assert reasons(microphone.cuts) == [CutReason.ENDPOINT]


PARTS = {"voice": VOICE, "zeros": ZEROS, "short": VOICE[:320]}


@given(
    st.lists(st.tuples(st.sampled_from(sorted(PARTS)), st.integers(1, 30)), max_size=12),
    st.sampled_from((SERVER, AUTO)),
)
def test_only_silence_before_speech_is_left_out(
    parts: list[tuple[str, int]], mode: EndpointingMode
) -> None:
    speaker = Speaker(AudioFormat.PCM16, mode)
    chunks = [PARTS[name] for name, times in parts for _ in range(times)]
    cuts = [cut for at, chunk in enumerate(chunks) for cut in speaker.say(chunk, at * 100)]
    cuts += speaker.segmenter.flush(len(chunks) * 100)
    heard = sum(cut.audio.count(VOICE[:2]) for cut in cuts)
    said = sum(chunk.count(VOICE[:2]) for chunk in chunks)
    assert heard == said
    numbers = [cut.first_seq for cut in cuts if cut.first_seq is not None]
    assert numbers == sorted(numbers)
    assert speaker.segmenter.held_bytes == 0
