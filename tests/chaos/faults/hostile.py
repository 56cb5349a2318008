"""Peers that mean harm, beside those that work: what they say must cost nobody else a thing."""

import asyncio
import json
from contextlib import suppress

from websockets.exceptions import WebSocketException

from tests.chaos.faults.fault import Fault, Targets
from tests.chaos.peers.node_messages import registration
from tests.chaos.plan import NodePlan
from tests.chaos.world import Message, Wire
from tests.support.peers.raw_client import session_init

_STAYS_SECONDS = 0.5
_DEPTHS = (31, 40, 199, 5000)
"""Levels; 32 are allowed."""


def _deep(levels: int) -> str:
    """Return an object so deep, as JSON: nothing here reads it back."""
    return '{"a":' * levels + "1" + "}" * levels


def _with(message: Message, name: str, levels: int) -> str:
    """Return a message with a field so deep."""
    return f'{json.dumps(message)[:-1]},"{name}":{_deep(levels)}}}'


_HOSTILE = NodePlan("hostile", 4, is_sound=False, joins_turns=True, streams=False, seed=0)


class HostileRegistrations(Fault):
    """One socket registers two nodes in turn, several times in one write, and is gone."""

    weight = 1

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        number = next(targets.world.numbers)
        names = [f"hostile-{number}-{which}" for which in ("x", "y")]
        languages = {
            "language_capabilities": {
                "asr_languages": ["xx"],
                "tts_languages": [],
                "semantic_languages": ["yy"],
                "semantic_core_ready": True,
            }
        }
        texts = [
            json.dumps({**registration(_HOSTILE, name), **languages})
            for name in names * self.rng.choice((2, 50))
        ]
        with suppress(OSError, WebSocketException, TimeoutError):
            wire = await Wire.open(targets.world.node_proxy, "/ws/node")
            await asyncio.gather(*map(wire.socket.send, texts))  # in one turn of the loop
            if self.rng.random() < 0.5:
                await asyncio.sleep(_STAYS_SECONDS)
            wire.cut()


class DeepMessage(Fault):
    """A client says something that has more levels than a parser likes, on sockets of its own."""

    weight = 1

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        levels = self.rng.choice(_DEPTHS)
        with suppress(OSError, WebSocketException, TimeoutError):
            wire = await Wire.open(targets.world.client_proxy, "/ws/session")
            await wire.socket.send(_with(session_init("xx", "yy"), "features", levels))
            offer: Message = {"type": "webrtc_offer", "room_code": "123456", "to": "p-00000000"}
            await wire.socket.send(_with(offer, "sdp", levels))
            await wire.socket.send(_deep(levels))
            await asyncio.sleep(_STAYS_SECONDS)
            await wire.close()


class DeepHeartbeat(Fault):
    """A stranger on a node's socket says the same before and after it registers."""

    weight = 0.5

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        levels = self.rng.choice(_DEPTHS)
        beat: Message = {"type": "node_heartbeat", "node_id": "nobody", "timestamp": 1}
        with suppress(OSError, WebSocketException, TimeoutError):
            wire = await Wire.open(targets.world.node_proxy, "/ws/node")
            await wire.socket.send(_with(beat, "resource_usage", levels))
            await asyncio.sleep(_STAYS_SECONDS)
            wire.cut()
