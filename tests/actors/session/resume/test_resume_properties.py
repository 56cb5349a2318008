"""Whatever happens to the line, the node hears the same audio and the client each outcome once.

The model client does what the wire asks of one: it numbers its chunks, keeps them until
`audio_ack` allows it to forget them, and after a resume sends again from `next_seq` on.
"""

from dataclasses import dataclass, field

from hypothesis import example, given
from hypothesis import strategies as st

from actors.messages.session import ChunkArrived, ClientBeat
from protocol.messages.session_outbound import MissingResult, TranslationResult
from tests.actors.support.resume_bench import ResumeBench
from tests.actors.support.speaker import opus


@dataclass(frozen=True)
class Moment:
    """Something the speaker or the world does `after_ms` later."""

    what: str
    after_ms: int
    lost: int = 0
    """With a cut: how many of the latest messages each way were on the line and are gone."""
    is_noticed: bool = True
    """With a cut: the server hears of it before its client comes back."""


MAX_SILENCE_MS = 2000
"""Less than the 3 s of silence after which the server ends an utterance by itself."""

said = st.builds(Moment, st.sampled_from(["chunk"] * 5 + ["final", "both"]), st.just(256))
line = st.builds(
    Moment,
    st.sampled_from(["cut", "back", "answer", "beat", "twice"]),
    st.sampled_from([0, 1, 59, 60, 400]),
    st.integers(0, 6),
    st.booleans(),
)


@dataclass
class Client:
    """One speaker, its memory, and the wire as it sees it."""

    bench: ResumeBench = field(default_factory=ResumeBench)
    audio: list[tuple[bytes, bool]] = field(default_factory=list)
    """By `seq`."""
    forgotten: int = 0
    is_up: bool = True
    in_flight: list[ChunkArrived] = field(default_factory=list)
    heard: list[TranslationResult | MissingResult] = field(default_factory=list)
    read: int = 0
    """Outcomes read from the present socket."""
    answered: int = 0
    arrived_at_ms: float = 0.0
    """When the server last had audio of it."""

    def say(self, audio: bytes, *, final: bool) -> None:
        self.audio.append((audio, final))
        if self.is_up:
            self.send(len(self.audio) - 1)

    def send(self, seq: int) -> None:
        """Put a chunk on the line; the server takes it a few messages later."""
        assert seq >= self.forgotten, "asked for what may be forgotten"
        audio, final = self.audio[seq]
        self.in_flight.append(ChunkArrived(audio, seq, is_final=final))

    def land(self, keep: int = 0) -> None:
        """Let what is on the line arrive, but for the latest `keep`."""
        count = max(0, len(self.in_flight) - keep)
        arrived, self.in_flight = self.in_flight[:count], self.in_flight[count:]
        self.bench.tell(*arrived)
        if arrived:
            self.arrived_at_ms = self.bench.clock.now_ms

    def silent_ms(self, after_ms: int) -> float:
        """Return how long the server will have had no audio `after_ms` from now."""
        return self.bench.clock.now_ms + after_ms - self.arrived_at_ms

    def read_all(self, but: int = 0) -> None:
        """Read what came, but for the latest `but` outcomes."""
        outcomes = self.bench.outcomes()
        for outcome in outcomes[self.read : max(self.read, len(outcomes) - but)]:
            if self.heard:
                assert outcome.delivery_seq == (self.heard[-1].delivery_seq or 0) + 1
            self.heard.append(outcome)
            self.read += 1
        self.forgotten = max([self.forgotten, *self.bench.acked()])

    def cut(self, moment: Moment) -> None:
        """Lose the line and what was on it."""
        if not self.is_up:
            return
        self.land(keep=moment.lost)
        self.in_flight.clear()
        self.read_all(but=moment.lost)
        self.is_up = False
        if moment.is_noticed:
            self.bench.lose_socket()

    def come_back(self) -> None:
        if self.is_up:
            return
        last = self.heard[-1].delivery_seq if self.heard else 0
        ack = self.bench.resume(last_delivery_seq=last or 0)
        self.is_up, self.read = True, 0
        assert ack.next_seq is not None
        assert ack.next_seq <= len(self.audio)
        for seq in range(ack.next_seq, len(self.audio)):
            self.send(seq)
        self.land()

    def answer(self) -> None:
        """Have the oldest open job answered."""
        if self.answered < len(self.bench.cuts):
            cut = self.bench.cuts[self.answered]
            self.answered += 1
            self.bench.answer(cut, f"words {cut.spec.utterance_index}")

    def take(self, moment: Moment, number: int) -> None:
        if self.is_up and moment.what != "cut":
            self.land()
        self.bench.advance_to(self.bench.clock.now_ms + moment.after_ms)
        match moment.what:
            case "chunk" | "final" | "both" as what:
                # 13 packets of 20 ms are a little more than the 256 ms between two chunks
                audio = b"" if what == "final" else opus(1 + number % 250)
                self.say(audio, final=what != "chunk")
            case "cut":
                self.cut(moment)
            case "back":
                self.come_back()
            case "answer":
                self.answer()
            case "twice" if self.is_up and len(self.audio) > self.forgotten:
                self.send(len(self.audio) - 1)
            case "beat" if self.is_up:
                self.read_all()
                last = self.heard[-1].delivery_seq if self.heard else 0
                self.bench.tell(ClientBeat(last_delivery_seq=last))

    def finish(self) -> None:
        """End the last utterance, have everything answered and read it."""
        self.come_back()
        self.land()
        self.bench.advance_to(self.bench.clock.now_ms + 256)
        self.say(b"", final=True)
        self.land()
        self.bench.advance_to(self.bench.clock.now_ms + 256)
        while self.answered < len(self.bench.cuts):
            self.answer()
        self.bench.advance_to(self.bench.clock.now_ms + 2000)
        self.read_all()

    @property
    def spoken(self) -> list[bytes]:
        return [cut.audio for cut in self.bench.cuts]


CHUNK = Moment("chunk", 256)


@given(st.lists(st.one_of(said, said, line), max_size=60))
@example([
    CHUNK, Moment("back", 400), Moment("cut", 400, is_noticed=False), Moment("back", 400),
    CHUNK, Moment("cut", 0, 1, is_noticed=False), *[CHUNK] * 7,
])  # fmt: skip
def test_a_line_that_is_cut_changes_nothing_that_is_heard(script: list[Moment]) -> None:
    cut, uncut = Client(), Client()
    for number, moment in enumerate(script):
        # shorter than a pause, counted from the last audio that arrived, not from the cut: a server
        # that does not notice the cut hears silence from then on, and ends the utterance
        if not cut.is_up and cut.silent_ms(moment.after_ms) > MAX_SILENCE_MS:
            cut.come_back()
        cut.take(moment, number)
        uncut.take(moment if moment.what not in {"cut", "back"} else Moment("", 0), number)
    cut.finish()
    uncut.finish()
    assert cut.spoken == uncut.spoken
    assert len(cut.heard) == len(cut.bench.cuts)
    assert [said.delivery_seq for said in cut.heard] == [*range(1, len(cut.heard) + 1)]
    assert all(isinstance(said, TranslationResult) for said in cut.heard)
    assert cut.forgotten == len(cut.audio)
    assert cut.bench.held.held_bytes == 0
