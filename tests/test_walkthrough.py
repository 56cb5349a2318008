"""The newcomer's tutorial: from one audio chunk to one translation, step by step.

Everything is real (actors, scripts, a store of its own) but the two sockets: a client's and a
node's outbox only keep what they are given. Read it from top to bottom; the names of the steps
are those of the README's "life of one audio chunk".
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel

from actors.messages.node import NodeMessageArrived, NodeSocketLost
from actors.messages.session import ChunkArrived, CloseRequested
from actors.ports import AudioFlow, SocketJobs
from actors.reception import OpenedNode, OpenedSession
from actors.runtime.actor import tell
from cli.serve.scheduler import Scheduler
from cli.settings.settings import Settings
from protocol.ids import InstanceId, NodeJobId
from protocol.messages.node_inbound import JobResult, LanguageCapabilities, NodeRegister
from protocol.messages.node_outbound import JobAssign, NodeRegisterAck
from protocol.messages.session_inbound import SessionInit
from protocol.messages.session_outbound import (
    MissingResult,
    SessionCloseAck,
    SessionInitAck,
    TranslationResult,
    UiEvent,
    UiEventKind,
)
from protocol.wire import WireMessage
from storage.embedded.server import StoreOptions, start_store
from tests.support.recording import as_message

M = TypeVar("M", bound=WireMessage)

HALF_A_SECOND = 16_000 * 2 // 2
LOUD_PCM = b"\x00\x20" * (HALF_A_SECOND // 2)
"""PCM16 little-endian, 16 kHz, mono: loud enough not to be taken for silence."""


class Peer:
    """The other end of a socket: keeps what it is sent, and lets the test wait for it."""

    def __init__(self) -> None:
        self.heard: list[BaseModel] = []
        self._news = asyncio.Event()

    is_backed_up = False
    owner = ""
    jobs = SocketJobs()
    is_unread = False
    is_heard = True

    def set_flow(self, flow: AudioFlow) -> None:
        """It is read as it comes."""

    def probe(self) -> None:
        """Nobody doubts that it is there."""

    def send(self, message: WireMessage | bytes) -> bool:
        """Take a message as a socket would."""
        self.heard.append(as_message(message))
        self._news.set()
        return True

    def send_frame(self, head: bytes, body: bytes, most_unsent_bytes: int) -> bool:
        """Take nothing that is still being spoken."""
        return len(head) + len(body) < most_unsent_bytes < 0

    def close(self, code: int, reason: str) -> None:
        """Nobody closes a socket in this story."""
        raise AssertionError(f"closed with {code}: {reason}")

    async def hears(self, kind: type[M], such_that: Callable[[M], bool] = lambda _: True) -> M:
        """Return the first message of this kind, when it is there."""
        while True:
            for message in self.heard:
                if isinstance(message, kind) and such_that(message):
                    return message
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), timeout=10)


def test_one_audio_chunk_becomes_one_translation() -> None:
    with start_store(StoreOptions()) as store:
        asyncio.run(_the_life_of_one_chunk(store.url))


async def _the_life_of_one_chunk(store_url: str) -> None:
    # A scheduler on any free port, with all its defaults.
    scheduler = Scheduler(Settings.load({"port": "0"}), InstanceId("i-tutorial"), store_url, print)
    await scheduler.start()
    client, node = Peer(), Peer()

    # A node registers: the gateway would parse its first message and call the reception.
    languages = LanguageCapabilities(
        asr_languages=("en",), semantic_languages=("es",), tts_languages=("es",)
    )
    registration = NodeRegister(version="1", platform="linux", language_capabilities=languages)
    opened_node = scheduler.reception.register_node(registration, node, None)
    assert isinstance(opened_node, OpenedNode)
    # `register_node` has run in the store when the node hears its id; it is mute until then.
    assert (await node.hears(NodeRegisterAck)).node_id == opened_node.node_id

    # Somebody opens a session. The acknowledgement is the first frame that leaves.
    init = SessionInit(client_version="1", platform="web", src_lang="en", tgt_lang="es")
    session = scheduler.reception.open_session(init, client, None)
    assert isinstance(session, OpenedSession)
    assert (await client.hears(SessionInitAck)).session_id == session.session_id
    assert isinstance(client.heard[0], SessionInitAck)

    # 1. A chunk arrives, then the mark that the utterance is over.
    tell(session.ref, ChunkArrived(LOUD_PCM, seq=0, is_final=False))
    tell(session.ref, ChunkArrived(b"", seq=1, is_final=True))

    # 2.-4. The segmenter cuts, `dispatch_task` takes a slot, the node gets exactly what was said.
    job = await node.hears(JobAssign)
    assert job.audio == LOUD_PCM
    assert (job.src_lang, job.tgt_lang, job.audio_format) == ("en", "es", "pcm16")
    assert job.is_manual_cut
    dispatched = await client.hears(UiEvent, lambda it: it.event is UiEventKind.DISPATCHED)
    assert dispatched.job_id == job.job_id
    # Until the outcome the session holds the audio, for the case that this node is lost.
    assert b"lingua_audio_bytes_held %.1f" % len(LOUD_PCM) in scheduler.metrics_text()

    # 5. The node answers; `complete_task` ends the job once and the outcome goes out in order.
    answer = JobResult(
        job_id=NodeJobId(job.job_id),
        success=True,
        text_asr="good morning",
        text_translated="buenos días",
    )
    tell(opened_node.ref, NodeMessageArrived(answer))
    tell(opened_node.ref, NodeMessageArrived(answer))  # a repetition changes nothing
    result = await client.hears(TranslationResult)
    assert (result.text_asr, result.text_translated) == ("good morning", "buenos días")
    assert (result.utterance_index, result.delivery_seq) == (0, 1)

    # The session closes: everything it said has its one outcome, and nothing is held any more.
    tell(session.ref, CloseRequested("done", acknowledge=True))
    await client.hears(SessionCloseAck)
    outcomes = [it for it in client.heard if isinstance(it, TranslationResult | MissingResult)]
    assert outcomes == [result]
    assert b"lingua_audio_bytes_held 0.0" in scheduler.metrics_text()

    tell(opened_node.ref, NodeSocketLost(node))
    await scheduler.drain()
    await scheduler.stop()
