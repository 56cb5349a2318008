"""Opus packets out of Ogg and WebM: as they are, in whatever pieces, and never more than that."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.audio.containers import Container
from protocol.audio.framing import split_packets
from protocol.audio.opus_stream import Inside, OpusStream, inside

AUDIO = Path(__file__).parents[2] / "data" / "audio"
FILES = {
    Container.OGG: (AUDIO / "container.ogg").read_bytes(),
    Container.WEBM: (AUDIO / "container.webm").read_bytes(),
}
PACKETS = [bytes([0x48, number, *range(number % 50)]) for number in range(1, 9)]


def taken(container: Container, data: bytes, size: int) -> list[bytes]:
    stream = OpusStream(container)
    return split_packets(
        b"".join(stream.take(data[at : at + size])[0] for at in range(0, len(data), size))
    )


def element(name: bytes, content: bytes) -> bytes:
    return name + (len(content) | 1 << 28).to_bytes(4, "big") + content


def webm(*blocks: bytes, codec: bytes = b"A_OPUS", extra: bytes = b"") -> bytes:
    track = element(b"\xd7", b"\x01") + element(b"\x86", codec) + extra
    other = element(b"\xae", element(b"\xd7", b"\x02") + element(b"\x86", b"V_VP8"))
    return (
        element(b"\x1a\x45\xdf\xa3", b"")
        + b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"
        + element(b"\x16\x54\xae\x6b", other + element(b"\xae", track))
        + b"\x1f\x43\xb6\x75\xff"
        + element(b"\xe7", b"\x00")
        + b"".join(blocks)
    )


def simple(content: bytes, flags: int = 0, track: int = 1) -> bytes:
    return element(b"\xa3", bytes([0x80 | track, 0, 0, flags]) + content)


@pytest.mark.parametrize("container", FILES)
@given(size=st.integers(1, 5_000))
def test_pieces_make_no_difference(container: Container, size: int) -> None:
    data = FILES[container]
    whole = taken(container, data, len(data))
    assert len(whole) == 150
    assert taken(container, data, size) == whole


@pytest.mark.parametrize("container", FILES)
def test_what_is_inside_shows_early_and_only_once_it_is_certain(container: Container) -> None:
    data = FILES[container]
    found = [inside(container, data[:length]) for length in range(1_000)]
    first = found.index(Inside.OPUS)
    assert set(found[:first]) == {Inside.UNKNOWN}
    assert set(found[first:]) == {Inside.OPUS}


def test_blocks_of_other_tracks_are_passed_over_and_groups_are_entered() -> None:
    group = element(b"\xa0", element(b"\xa1", b"\x81\0\0\0" + PACKETS[1]) + element(b"\x9b", b"\1"))
    data = webm(simple(PACKETS[0]), simple(PACKETS[5], track=2), group, simple(PACKETS[2]))
    assert taken(Container.WEBM, data, 3) == PACKETS[:3]


def test_every_lacing_gives_its_frames() -> None:
    first, second, third = PACKETS[3:6]
    xiph = bytes([2, len(first), len(second)]) + first + second + third
    difference = len(second) - len(first)
    ebml = bytes([2, 0x80 | len(first), 0x80 | (difference + 63)]) + first + second + third
    fixed = bytes([1]) + PACKETS[4] * 2
    data = webm(simple(xiph, 0x02), simple(ebml, 0x06), simple(fixed, 0x04))
    wanted = [first, second, third] * 2 + [PACKETS[4]] * 2
    assert taken(Container.WEBM, data, len(data)) == wanted
    assert taken(Container.WEBM, data, 1) == wanted


@pytest.mark.parametrize("data", [webm(codec=b"A_VORBIS"), webm(extra=element(b"\x6d\x80", b""))])
def test_another_codec_or_an_encoded_track_is_something_else(data: bytes) -> None:
    assert inside(Container.WEBM, data) is Inside.OTHER


def test_an_ogg_of_something_else_is_something_else() -> None:
    data = FILES[Container.OGG].replace(b"OpusHead", b"\x01vorbis1")
    assert inside(Container.OGG, data) is Inside.OTHER


def test_a_head_without_an_end_is_given_up() -> None:
    data = b"\x1a\x45\xdf\xa3\x81\0" + element(b"\xec", bytes(1 << 17))
    assert inside(Container.WEBM, data) is Inside.OTHER


def test_damage_costs_what_is_damaged() -> None:
    data = bytearray(FILES[Container.OGG])
    second = data.index(b"OggS", len(data) // 2)
    data[second : second + 4] = b"gone"
    rest = taken(Container.OGG, bytes(data), 250)
    assert 75 <= len(rest) < 150


@pytest.mark.parametrize("container", FILES)
@given(data=st.binary(max_size=300), at=st.integers(0, 4_000), size=st.integers(1, 300))
def test_no_bytes_break_it(container: Container, data: bytes, at: int, size: int) -> None:
    good = FILES[container][:4_000]
    hostile = good[:at] + data + good[at:]
    stream = OpusStream(container)
    for start in range(0, len(hostile), size):
        framed, ticks = stream.take(hostile[start : start + size])
        assert bool(framed) == bool(ticks)
        split_packets(framed)
    inside(container, hostile)
