"""Audio on its way through a converter: what comes back, in which order, and what is held."""

from dataclasses import dataclass, field

import pytest

from actors.media import ContainedSource, MediaSource
from actors.messages.session import AudioConverted, ChunkArrived, ConversionFailed, UtteranceArrived
from actors.ports import AudioFlow, Mailbox
from actors.session.uplink.conversion import Conversion, Piece
from protocol.audio.framing import AudioFormat
from protocol.errors import ProtocolError
from protocol.ids import SessionId
from protocol.messages.session_inbound import Utterance
from tests.support.recording import RecordingRef

MP3 = ContainedSource("mp3")


@dataclass
class Converters:
    """As many as are free; what they are given is kept."""

    free: int = 1
    begun: list[tuple[MediaSource, int]] = field(default_factory=list)
    fed: list[tuple[bytes, bool]] = field(default_factory=list)
    closed: int = 0

    def open(self, session: Mailbox) -> "Converters | None":
        assert session is not None
        self.free -= 1
        return self if self.free >= 0 else None

    def begin(self, source: MediaSource, stream: int) -> None:
        self.begun.append((source, stream))

    def feed(self, piece: bytes, *, is_last: bool) -> None:
        self.fed.append((piece, is_last))

    def close(self) -> None:
        self.closed += 1


def conversion(converters: Converters | None = None) -> Conversion:
    return Conversion(converters or Converters(), RecordingRef("session"))


def chunk(seq: int, *, is_final: bool = False) -> ChunkArrived:
    return ChunkArrived(b"", seq, is_final)


def piece(answer: object) -> tuple[bytes, int, bool, bool, int]:
    assert isinstance(answer, Piece)
    said = answer.chunk
    return said.audio, said.seq, said.is_final, answer.begins, answer.part


def test_each_piece_is_answered_under_its_own_number_and_the_final_comes_with_the_last() -> None:
    on_its_way = conversion()
    assert on_its_way.begin(MP3)
    on_its_way.feed(chunk(4), b"abc")
    on_its_way.feed(chunk(5, is_final=True), b"de")
    assert (on_its_way.held_bytes, on_its_way.is_open, on_its_way.is_busy) == (5, False, True)
    assert on_its_way.has(4)
    assert piece(on_its_way.take(AudioConverted(1, b"12", False))) == (b"12", 4, False, True, 1)
    assert piece(on_its_way.take(AudioConverted(1, b"34", True))) == (b"34", 4, False, False, 0)
    assert piece(on_its_way.take(AudioConverted(1, b"56", False))) == (b"56", 5, False, False, 1)
    assert piece(on_its_way.take(AudioConverted(1, b"", True))) == (b"", 5, True, False, 0)
    assert (on_its_way.held_bytes, on_its_way.is_busy) == (0, False)


def test_a_session_without_a_converter_hears_so_and_asks_again_with_its_next_stream() -> None:
    converters = Converters(free=0)
    on_its_way = conversion(converters)
    assert not on_its_way.begin(MP3)
    converters.free = 1
    assert on_its_way.begin(MP3)
    assert converters.begun == [(MP3, 1)]


def test_a_socket_is_held_back_while_much_is_on_its_way() -> None:
    on_its_way = conversion()
    flows = [on_its_way.flow]
    on_its_way.begin(MP3)
    for number in range(2):
        on_its_way.feed(chunk(number, is_final=bool(number)), bytes(200_000))
        flows.append(on_its_way.flow)
    for _ in range(2):
        on_its_way.take(AudioConverted(1, b"", True))
        flows.append(on_its_way.flow)
    own, metered = AudioFlow.OWN_PACE, AudioFlow.METERED
    assert flows == [metered, own, AudioFlow.HELD, own, metered]


@pytest.mark.parametrize("is_lost", [True, False])
def test_chunks_that_come_to_nothing_count_all_the_same(is_lost: bool) -> None:  # noqa: FBT001
    on_its_way = conversion()
    on_its_way.begin(MP3)
    on_its_way.feed(chunk(0), b"abc")
    failed = on_its_way.fail(ConversionFailed(1, "why", is_lost))
    assert [piece(each) for each in failed] == [(b"", 0, False, False, 0)]
    assert on_its_way.held_bytes == 0
    assert on_its_way.is_busy is not is_lost  # the end of the stream is answered, if anybody can


def test_what_was_given_up_is_not_answered_later() -> None:
    converters = Converters(free=2)
    on_its_way = conversion(converters)
    on_its_way.begin(MP3)
    on_its_way.feed(chunk(0), b"abc")
    on_its_way.close()
    assert (converters.closed, on_its_way.held_bytes) == (1, 0)
    assert not on_its_way.is_current(1)
    on_its_way.begin(MP3)
    assert converters.begun[-1] == (MP3, 3)


def whole() -> UtteranceArrived:
    return UtteranceArrived(
        Utterance(
            session_id=SessionId("s"),
            utterance_index=7,
            manual_cut=True,
            src_lang="en",
            tgt_lang="es",
            audio=b"ID3",
            audio_format=AudioFormat.OPUS,
            sample_rate=48_000,
        )
    )


def test_a_whole_utterance_comes_back_whole() -> None:
    on_its_way = conversion()
    assert on_its_way.convert_whole(whole(), MP3, b"ID3")
    assert on_its_way.take(AudioConverted(1, b"12", False)) is None
    assert on_its_way.held_bytes == 5
    answer = on_its_way.take(AudioConverted(1, b"34", True))
    assert isinstance(answer, UtteranceArrived)
    said = answer.message
    assert (said.audio, said.audio_format, said.sample_rate) == (b"1234", "pcm16", 16_000)
    assert (said.utterance_index, on_its_way.held_bytes) == (7, 0)


def test_an_utterance_that_unpacks_to_more_than_two_minutes_is_refused() -> None:
    converters = Converters()
    on_its_way = conversion(converters)
    on_its_way.convert_whole(whole(), MP3, b"ID3")
    on_its_way.take(AudioConverted(1, bytes(3_800_000), False))
    with pytest.raises(ProtocolError, match="two minutes"):
        on_its_way.take(AudioConverted(1, bytes(50_000), False))
    assert (converters.closed, on_its_way.held_bytes) == (1, 0)
