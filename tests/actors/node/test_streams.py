"""Frames on their way to a node that reads slowly, or not at all."""

from actors.messages.job import JobUndelivered
from actors.messages.stream import StreamBroken, StreamCut, StreamFrame
from actors.node.streams import LOOK_MS, AudioPart, NodeStreams
from protocol.ids import InstanceId, JobId, NodeId, NodeJobId
from protocol.messages.node_outbound import JobEnd
from protocol.wire import WireMessage

Told = StreamBroken | JobUndelivered
CUT = StreamCut(JobId("job-1"), InstanceId("i"), 2, 200, 0, "manual", is_manual_cut=True)
JOB = JobId("job-1")
LAG_MS = 2_000


class Socket:
    """A node's socket that takes so many frames."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.sent: list[bytes] = []

    def send(self, message: WireMessage | bytes | AudioPart) -> bool:
        if isinstance(message, JobEnd):
            self.sent.append(b"end")
            return True
        assert isinstance(message, AudioPart)
        if not self.room:
            return False
        self.room -= 1
        self.sent.append(message.body)
        return True


def streams_at(socket: Socket, told: list[Told]) -> NodeStreams:
    streams = NodeStreams(
        NodeId("n"), socket.send, lambda _owner, broken: told.append(broken), LAG_MS
    )
    streams.begin(JOB, NodeJobId("job-1"), InstanceId("i"))
    return streams


def frames(streams: NodeStreams, *numbers: int, now_ms: float = 0.0) -> None:
    for number in numbers:
        assert streams.frame(StreamFrame(JOB, number, bytes([number])), now_ms) is None


def test_what_waits_for_the_node_to_read_goes_when_it_has_without_a_further_frame() -> None:
    socket, told = Socket(room=1), list[Told]()
    streams = streams_at(socket, told)
    frames(streams, 0)
    assert streams.due_ms is None
    frames(streams, 1, 2)
    assert streams.due_ms == LOOK_MS
    assert streams.poll(LOOK_MS) == []
    assert streams.due_ms == 2 * LOOK_MS
    socket.room = 2
    assert streams.poll(2 * LOOK_MS) == []
    assert (socket.sent, streams.due_ms, told) == ([b"\0", b"\1", b"\2"], None, [])


def test_what_waits_for_too_long_is_given_up_without_a_further_frame() -> None:
    told: list[Told] = []
    streams = streams_at(Socket(room=0), told)
    frames(streams, 0)
    at_ms, broken = 0.0, list[NodeJobId]()
    while not broken:
        at_ms = streams.due_ms or 0.0
        broken = streams.poll(at_ms)
    assert (broken, told) == ([NodeJobId("job-1")], [StreamBroken(JOB, NodeId("n"), "node_lags")])
    assert LAG_MS < at_ms <= LAG_MS + LOOK_MS
    assert streams.due_ms is None
    assert JOB not in streams


def test_the_end_waits_for_the_node_to_read_the_rest() -> None:
    socket, told = Socket(room=1), list[Told]()
    streams = streams_at(socket, told)
    frames(streams, 0, 1)
    assert streams.end(CUT, 10.0) is None
    assert socket.sent == [b"\0"]
    assert JOB in streams, "what it answers now is too early"
    socket.room = 1
    assert streams.poll(LOOK_MS) == []
    assert (socket.sent, told) == ([b"\0", b"\1", b"end"], [])
    assert JOB not in streams


def test_what_was_cut_and_is_not_read_goes_elsewhere_as_a_job() -> None:
    told: list[Told] = []
    streams = streams_at(Socket(room=0), told)
    frames(streams, 0, 1)
    streams.end(CUT, 10.0)
    broken = list[NodeJobId]()
    while not broken:
        broken = streams.poll(streams.due_ms or 0.0)
    assert told == [JobUndelivered(JOB, 1, NodeId("n"))]


def test_an_end_that_counts_other_frames_is_no_end() -> None:
    socket, told = Socket(room=9), list[Told]()
    streams = streams_at(socket, told)
    frames(streams, 0)
    assert streams.end(CUT, 10.0) == NodeJobId("job-1")
    assert told == [JobUndelivered(JOB, 1, NodeId("n"))]
    assert streams.end(CUT, 10.0) is None, "and it is told once more to who asks again"
