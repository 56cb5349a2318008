"""Frames between instances: what is packed is unpacked; what is none is refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.instances.link import (
    DISPATCHER,
    AckFrame,
    Address,
    LinkMessage,
    MessageFrame,
    PeerProtocolError,
    Place,
    WelcomeFrame,
    pack_ack,
    pack_message,
    pack_welcome,
    unpack,
)

seqs = st.integers(0, 2**64 - 1)
parcels = st.builds(
    LinkMessage,
    st.text(max_size=300),
    st.text(max_size=60).filter(lambda kind: len(kind.encode()) < 256),
    st.binary(max_size=200),
    st.binary(max_size=2000),
)


@given(seqs, parcels)
def test_a_message_comes_out_as_it_went_in(seq: int, parcel: LinkMessage) -> None:
    assert unpack(pack_message(seq, parcel)) == MessageFrame(seq, parcel)


@given(seqs)
def test_numbers_come_out_as_they_went_in(seq: int) -> None:
    assert unpack(pack_ack(seq)) == AckFrame(seq)
    assert unpack(pack_welcome(seq)) == WelcomeFrame(seq)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_refused(data: bytes) -> None:
    with suppress(PeerProtocolError):
        unpack(data)


@given(parcels, st.data())
def test_a_frame_that_was_cut_short_in_its_head_is_refused(
    parcel: LinkMessage, data: st.DataObject
) -> None:
    whole = pack_message(1, LinkMessage(parcel.address, parcel.kind, parcel.head))
    size = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(PeerProtocolError):
        unpack(whole[:size])


def test_audio_stands_raw_at_the_end() -> None:
    assert pack_message(1, LinkMessage("node:n", "AssignJob", b"{}", b"\x00\xffaudio")).endswith(
        b"{}\x00\xffaudio"
    )


@pytest.mark.parametrize("place", list(Place))
def test_an_address_reads_as_it_is_written(place: Place) -> None:
    address = Address(place, "id:with:colons")
    assert Address.parse(str(address)) == address
    assert Address.parse(str(DISPATCHER)) == DISPATCHER


def test_a_place_of_a_later_version_is_nobody() -> None:
    assert Address.parse("choir:c") is None
