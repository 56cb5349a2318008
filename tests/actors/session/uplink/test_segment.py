"""The audio of a session that is not cut yet."""

from actors.session.uplink.segment import Segment


def test_tiny_chunks_take_no_more_room_than_their_sound() -> None:
    segment = Segment()
    for seq in range(5000):
        segment.add(seq.to_bytes(2, "little"), 3, seq, 0)
    assert repr(segment) == "<Segment 312 ms, 10000 bytes in 908 chunks>"
    assert segment.join() == b"".join(seq.to_bytes(2, "little") for seq in range(5000))
    segment.drop_audio()
    segment.add(b"ab", 3, 5000, 0)
    assert segment.join() == b"ab"
