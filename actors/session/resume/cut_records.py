"""CutRecords: numbers the cuts of a session, and keeps of each what a takeover would need.

Made once for a session that asked for `resume`; its uplink tells it of cuts, its downlink of what
was delivered. Must not: hold audio.
"""

from collections.abc import Callable
from dataclasses import replace

from actors.session.cut import Cut
from actors.session.profile.job_spec import Numbers
from actors.session.profile.request import Request, in_language
from actors.session.record.saved import CutRecord, EndRecord, saved_cut
from actors.session.record.saved_room import saved_audience
from actors.session.resume.cut_ledger import CutLedger, MemberCutLedger
from actors.session.uplink.progress import AudioProgress
from actors.session.utterances import OpenUtterances, Utterance
from protocol.errors import MissingReason
from protocol.ids import RequestId


class CutRecords:
    """The cuts of one session that can be resumed, from each cut to its outcome."""

    def __init__(
        self,
        opened: OpenUtterances,
        progress: AudioProgress,
        wall_ms: Callable[[], int],
        first: Request,
    ) -> None:
        """`first`: what the session asked for when it began; other wishes are kept with a cut."""
        self._first = first
        self.own = CutLedger()
        """Cuts whose outcome the client hears."""
        self.members = MemberCutLedger()
        """Cuts that only other members of its room hear."""
        self._open = opened
        self._progress = progress
        self._wall_ms = wall_ms

    def go_on(self, count: int, members_count: int) -> None:
        """Count on from where another instance stopped; to be told before all else."""
        self.own, self.members = CutLedger(count), MemberCutLedger(members_count)

    def next_number(self) -> int:
        """Return the number of what the client hears next in order."""
        return self.own.next_number()

    def next_member_number(self) -> int:
        """Return the number of a cut that only other members of a room hear."""
        return self.members.next_number()

    def cut_made(
        self, cut: Cut, utterance: Utterance, request: Request, *, is_message: bool
    ) -> None:
        """Keep where it was cut, and who hears it."""
        spec, track = utterance.spec, utterance.track
        own = request if track is None else in_language(request, track)
        asked = own.text() if is_message or own != self._first else None
        numbers = Numbers(spec.job_id, spec.utterance_index, spec.session_epoch, spec.cut)
        record = saved_cut(cut, numbers, asked, saved_audience(utterance, self._wall_ms()))
        if utterance.lane is not None:
            further = utterance.work.further_language
            record = replace(record, lane=utterance.lane, further_language=further)
        self.add(utterance, record)

    def add(self, utterance: Utterance, record: CutRecord) -> None:
        """Keep a cut that waits for its outcome."""
        if record.number > 0:
            self.own.add(utterance.spec.request_id, record)
        else:
            self.members.add(record)

    def ended_unasked(self, utterance: Utterance, reason: MissingReason) -> None:
        """Keep how a cut ended that has no job to tell it."""
        spec = utterance.spec
        index, language = spec.utterance_index, spec.language
        self.own.end(EndRecord(spec.cut, index, language, spec.job_id, reason.value))

    def answered(self, key: RequestId) -> None:
        """An outcome was delivered, and is kept until its client has it."""
        self._progress.answered(key)
        self.own.answered(key)

    def settled(self, utterance_index: int) -> None:
        """Those who hear an utterance have it, in whichever language has ended."""
        if not self._open.has_spoken(utterance_index):
            self.members.settle(utterance_index)
