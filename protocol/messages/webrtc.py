"""The relay of a direct voice link between two members of a room.

The same shapes travel both ways. In what a client sends, `to` is the receiver; in what the server
passes on, it is the sender: that is how the existing clients read it. The session descriptions
and candidates are passed on as they are.
"""

from typing import Literal

from protocol.ids import SessionId
from protocol.wire import JsonObject, Label, WireMessage


class WebrtcOffer(WireMessage):
    """A proposal to connect."""

    type: Literal["webrtc_offer"] = "webrtc_offer"
    room_code: Label
    to: SessionId
    sdp: JsonObject
    """`{type, sdp}` of the browser."""


class WebrtcAnswer(WireMessage):
    """The answer to an offer."""

    type: Literal["webrtc_answer"] = "webrtc_answer"
    room_code: Label
    to: SessionId
    sdp: JsonObject


class WebrtcIce(WireMessage):
    """A way to reach the sender; lost by a browser that has no offer or answer yet."""

    type: Literal["webrtc_ice"] = "webrtc_ice"
    room_code: Label
    to: SessionId
    candidate: JsonObject
    """RTCIceCandidateInit."""


WebrtcSignal = WebrtcOffer | WebrtcAnswer | WebrtcIce
