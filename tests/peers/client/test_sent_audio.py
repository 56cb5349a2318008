"""What a client keeps of its own words."""

from peers.client.sent_audio import Piece, SentAudio


def said(*payloads: bytes) -> SentAudio:
    audio = SentAudio()
    for payload in payloads:
        audio.add(payload, 1)
    return audio


def send_all(audio: SentAudio) -> list[int]:
    seqs = []
    while (piece := audio.next()) is not None:
        seqs.append(piece.seq)
        audio.sent(piece)
    return seqs


def test_pieces_are_numbered_and_sent_once() -> None:
    audio = said(b"a", b"b")
    assert audio.next() == Piece(0, b"a", is_final=False, said_at_ms=1)
    assert send_all(audio) == [0, 1]
    audio.add(b"", 2, is_final=True)
    assert audio.next() == Piece(2, b"", is_final=True, said_at_ms=2)


def test_what_the_server_does_not_have_is_sent_again() -> None:
    audio = said(b"a", b"b", b"c")
    send_all(audio)
    audio.send_from(1)
    assert send_all(audio) == [1, 2]


def test_what_may_be_forgotten_is() -> None:
    audio = said(b"a", b"b", b"c")
    send_all(audio)
    audio.forget_before(2)
    assert len(audio) == 1
    audio.send_from(0)
    assert send_all(audio) == [2]
    audio.forget_before(9)
    audio.add(b"d", 1)
    assert send_all(audio) == [3]


def test_a_piece_taken_by_a_former_socket_does_not_count_on_the_next_one() -> None:
    audio = said(b"a", b"b", b"c")
    send_all(audio)
    late = Piece(2, b"c", is_final=False, said_at_ms=1)
    audio.send_from(1)
    audio.sent(late)
    assert send_all(audio) == [1, 2]
