"""Composition: makes the parts of one session, and hands each what it works with."""

from actors.ports import Mailbox, Outbox
from actors.session.downlink.downlink import Downlink
from actors.session.downlink.gate import OutcomeGate
from actors.session.life import Life
from actors.session.member.part import RoomPart
from actors.session.parts import Parts
from actors.session.profile.profile import SessionProfile
from actors.session.profile.request import asked_by
from actors.session.profile.resumption import Resumption, TokenMint, new_token_key
from actors.session.record.moved import TakenOverSession
from actors.session.resume.cut_records import CutRecords
from actors.session.resume.doubt import Doubt
from actors.session.resume.notes import Notes
from actors.session.resume.parts import ResumeParts
from actors.session.resume.uplink import UplinkRestore
from actors.session.resume.welcome import Welcome
from actors.session.setup import SessionSetup
from actors.session.uplink.conversion import Conversion
from actors.session.uplink.indexes import UsedIndexes
from actors.session.uplink.parts import UplinkParts
from actors.session.uplink.progress import AudioProgress
from actors.session.uplink.uplink import Uplink
from actors.session.utterances import OpenUtterances
from actors.session.view import PartsView


def compose(
    ref: Mailbox,
    profile: SessionProfile,
    setup: SessionSetup,
    outbox: Outbox | None,
    moved: TakenOverSession | None,
) -> tuple[Parts, ResumeParts | None]:
    """Return the parts of a session, and those that only one has which can be resumed."""
    opened, indexes = OpenUtterances(), UsedIndexes()
    progress: AudioProgress | None = None
    records: CutRecords | None = None
    gate: OutcomeGate | None = None
    if profile.is_resumable:
        progress = AudioProgress(setup.uplink.audio_ack_interval_ms)
        records = CutRecords(opened, progress, setup.wall_ms, asked_by(profile, None))
        gate = OutcomeGate(records)
    downlink = Downlink(profile, setup.downlink, setup.wall_ms, gate)
    downlink.outbox = outbox
    room = RoomPart(profile, setup, downlink, indexes, records)
    conversion = None if setup.converters is None else Conversion(setup.converters, ref)
    nodes = setup.directory.abilities
    uplink_parts = UplinkParts(
        opened, indexes, room, nodes, setup.wall_ms, progress, records, conversion, downlink
    )
    owner, socket = ("", None) if outbox is None else (outbox.owner, outbox.jobs)
    held, waiting = setup.held.share(owner), setup.waiting.share(owner, socket)
    uplink = Uplink(profile, setup.uplink, held, uplink_parts)
    parts = Parts(ref, profile, setup, Life(), uplink, downlink, room, waiting)
    setup.directory.views[profile.session_ref] = PartsView(parts)
    if progress is None or records is None or gate is None:
        return parts, None
    resumption = _resumption(profile, outbox, moved)
    again = None
    if moved is not None:
        again = UplinkRestore(uplink, progress, records, moved, setup.wall_ms)
    resume = ResumeParts(
        resumption,
        Notes(parts, records, progress, gate, resumption),
        Welcome(parts, progress, resumption),
        Doubt(setup.stall_watch),
        again,
    )
    return parts, resume


def _resumption(
    profile: SessionProfile, outbox: Outbox | None, moved: TakenOverSession | None
) -> Resumption:
    mint = TokenMint(profile.session_id, new_token_key()) if moved is None else moved.mint
    return Resumption(
        profile.credential,
        outbox,
        mint,
        presented=None if moved is None else moved.presented,
        use_binary_frame=profile.use_binary_frame,
    )
