"""Opening: from a cut to the utterances that want a node.

One for each language in which it is heard, by its speaker or by others in its room. It knows what
the session asks for at present. Must not: cut, or hold audio for longer than it takes.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from actors.messages.job import Work
from actors.room.audience import Readers, Track
from actors.session.cut import Cut
from actors.session.profile.job_spec import Numbers, spec_of, work_of
from actors.session.profile.profile import SessionProfile
from actors.session.profile.request import Request, asked_by, in_language, own_tracks
from actors.session.uplink.parts import UplinkParts
from actors.session.uplink.turns_apart import TurnsApart
from actors.session.utterances import Utterance
from protocol.ids import JobId, RequestId, new_job_id, place_of_session
from protocol.messages.session_inbound import Utterance as UtteranceMessage
from storage.job import JobSpec


def numbered_request_id(spec: JobSpec, number: int) -> RequestId:
    """Return the id of a request that is known by the number of its cut."""
    return RequestId(f"{spec.session_id}:cut{number}:{spec.language}")


class Opening:
    """Makes the utterances of one session."""

    def __init__(self, profile: SessionProfile, job_lifetime_ms: int, parts: UplinkParts) -> None:
        self.wishes = profile
        """What the session asks for."""
        self._request = asked_by(profile, None)
        self.epoch = 0
        """The session's epoch in the store; 0 until it is claimed."""
        self._place = place_of_session(profile.session_id)
        self._opened = 0
        """How many cuts were made."""
        self._job_lifetime_ms = job_lifetime_ms
        self.apart = TurnsApart(parts.nodes)
        """Which turns are not put together at a node."""
        self._open = parts.open
        self._room = parts.room
        self._progress = parts.progress
        self._recorder = parts.recorder
        self.streamed: Callable[[JobSpec, Work], JobId | None] = lambda _spec, _work: None
        """Says under which job a node has this of what is cut now; None: no node has it."""

    def ask_for(self, wishes: SessionProfile) -> None:
        """What is cut from now on is asked for so."""
        self.wishes = wishes
        self._request = asked_by(wishes, None)

    def opened(
        self, cut: Cut, index: int, message: UtteranceMessage | None, now_ms: float
    ) -> list[Utterance]:
        """Return what was cut, open: once, or once for each language in which it is heard."""
        self._opened += 1
        request = self._request if message is None else asked_by(self.wishes, message)
        member, audience = self._room.member, None
        if member is not None:
            audience = member.audience(request, self._open_tracks(cut))
        if audience is None:
            utterances = self._for_speaker(cut, index, request)
        else:
            tracks = audience.tracks
            if cut.closing:  # what is not put together needs no end
                apart = self._apart_of(cut, tracks)
                tracks = tuple(one for one in tracks if one not in apart)
            readers = Readers(audience.readers, len(tracks))
            utterances = [self._utterance(cut, index, request, track) for track in tracks]
            for utterance in utterances:
                utterance.readers = readers
        for utterance in utterances:
            utterance.cut_at_ms = now_ms
            utterance.is_repeatable = message is not None
            if self._progress is not None:
                self._progress.cut(utterance.spec.request_id, cut.first_seq)
            self._open.add(utterance)
            if self._recorder is not None:
                is_message = message is not None
                self._recorder.cut_made(cut, utterance, request, is_message=is_message)
        return utterances

    def stand_alone(self, utterance: Utterance) -> bool:
        """A segment went to a node that takes it as a whole, and so go the others of its turn.

        Return whether no language of that segment is with a node that puts its turn together.
        """
        spec = utterance.spec
        self.apart.add(spec)
        utterance.spec = spec.alone()
        utterance.work = utterance.work.alone(utterance.spec.turn_id)
        turn = (spec.turn_id, spec.turn_part)
        return not any((one.spec.turn_id, one.spec.turn_part) == turn for one in self._open)

    def draft(self, cut: Cut, index: int) -> Utterance:
        """Return what is being spoken as it would be if it were cut now; it is not open.

        Of several languages in which it is heard it is the one that nodes know by no suffix.
        """
        numbers = Numbers(new_job_id(self._place), index, self.epoch)
        request, member = self._request, self._room.member
        heard_by = None if member is None else member.audience(request, [])
        is_inside = member is not None and member.is_inside
        tracks: Sequence[Track] = () if is_inside else own_tracks(request.targets)
        if heard_by is not None:
            tracks = heard_by.tracks
        track = next((one for one in tracks if one.further_language is None), None)
        if tracks and track is None:
            track = tracks[0]
        further = None if track is None else track.further_language
        if track is not None:
            request = in_language(request, track)
        elif request.targets:
            request = replace(request, targets=())
        draft = Utterance(
            spec=spec_of(self.wishes, request, cut, numbers, self._job_lifetime_ms),
            # How it ends is not known.
            work=replace(work_of(request, cut, further), is_manual_cut=False),
            reason=cut.reason,
            audio=None,
            cut_at_ms=cut.first_chunk_at_ms,
            begun_at_ms=cut.first_chunk_at_ms,
            track=track,
        )
        if heard_by is not None:
            draft.readers = Readers(heard_by.readers, 1)
        return draft

    def _for_speaker(self, cut: Cut, index: int, request: Request) -> list[Utterance]:
        """Return what was cut as its speaker hears it: in one language, or in each of several."""
        member, tracks = self._room.member, list[Track]()
        if request.targets and not (member is not None and member.is_inside):
            tracks = own_tracks(request.targets)
        if cut.turn_part:  # in which languages a turn began, it ends
            of_turn = (one for one in self._open if one.spec.turn_id == cut.turn_id)
            begun = [one.track for one in of_turn if one.lane and one.track]
            if begun:
                apart = [] if cut.closing else self._apart_of(cut, tracks)
                tracks = [*begun, *apart]
        if not tracks:
            single = replace(request, targets=()) if request.targets else request
            return [self._utterance(cut, index, single, None)]
        utterances = []
        for track in {track.language: track for track in tracks}.values():
            utterance = self._utterance(cut, index, request, track)
            utterance.lane = track.language
            utterances.append(utterance)
        return utterances

    def _apart_of(self, cut: Cut, tracks: Sequence[Track]) -> list[Track]:
        """Return the languages in which the cut's turn is not put together."""
        return [one for one in tracks if (cut.turn_id, one.language) in self.apart]

    def _utterance(self, cut: Cut, index: int, request: Request, track: Track | None) -> Utterance:
        if track is not None:
            request = in_language(request, track)
        is_own, number, recorder = track is None or track.for_speaker, 0, self._recorder
        if recorder is not None:
            number = recorder.next_number() if is_own else recorder.next_member_number()
        numbers = Numbers(new_job_id(self._place), index, self.epoch, number)
        spec = spec_of(self.wishes, request, cut, numbers, self._job_lifetime_ms)
        if self.wishes.is_gateway:  # the index is but a label, and may come again
            spec = replace(spec, request_id=numbered_request_id(spec, self._opened))
        work = work_of(request, cut, None if track is None else track.further_language)
        if (cut.turn_part or not cut.ends_turn) and self.apart.take(spec):
            spec = spec.alone()
            work = work.alone(spec.turn_id)
        known_as = self.streamed(spec, work)
        if known_as is not None:
            spec = replace(spec, job_id=known_as)
        return Utterance(
            spec=spec,
            work=work,
            reason=cut.reason,
            audio=cut.audio,
            cut_at_ms=0.0,
            begun_at_ms=cut.first_chunk_at_ms,
            track=track,
        )

    def _open_tracks(self, cut: Cut) -> list[Track]:
        """Return in which languages, and for whom, the open segments of the cut's turn are."""
        if not cut.turn_part:
            return []
        return [
            one.track or Track(one.spec.language, for_speaker=True)
            for one in self._open
            if one.spec.turn_id == cut.turn_id
        ]
