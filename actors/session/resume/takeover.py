"""Going on with a session where another instance stopped: uplink, downlink and room, in order."""

from actors.session.member.member import Member
from actors.session.parts import Parts
from actors.session.profile.update import restored
from actors.session.record.moved import TakenOverSession
from actors.session.resume.downlink import DownlinkRestore
from actors.session.resume.uplink import UplinkRestore


def go_on(
    parts: Parts,
    uplink: UplinkRestore,
    downlink: DownlinkRestore,
    moved: TakenOverSession,
    now_ms: float,
) -> None:
    """Fill the parts; what was delivered elsewhere waits for its replay."""
    saved, member = moved.saved, None
    wishes = restored(moved.profile, saved.wishes)
    parts.uplink.opening.ask_for(wishes)
    parts.room.ask_for(wishes)
    if saved.room is not None or saved.heard or saved.member_cuts:
        member = parts.room.made()
    if member is not None:
        member.restore(moved, now_ms)
    opened = uplink.begin(now_ms)
    downlink.begin(opened, now_ms)
    if member is not None:
        _repeat_to_members(member, uplink, moved)
        member.go_on(moved, now_ms)


def _repeat_to_members(member: Member, uplink: UplinkRestore, moved: TakenOverSession) -> None:
    """Tell the others again what they may not have heard: once it is seen where they are."""
    code = "" if moved.saved.room is None else moved.saved.room.code
    known: set[int] = set()
    heard = uplink.take_heard()
    for utterance, _ in heard:
        index = utterance.spec.utterance_index
        member.cut_elsewhere(utterance, code, is_first=index not in known)
        known.add(index)
    for _, ended in heard:
        if ended is not None:
            member.ended(ended)
