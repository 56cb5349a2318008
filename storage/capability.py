"""Capability atoms: what a node can do and what a job needs, as short words. Pure.

`a:en` recognises English, `s:es` translates into Spanish, `t:es` speaks Spanish, `f:opus` reads
opus, `x:stream` takes jobs while they are spoken. A node has a set of atoms; a requirement is a
canonical list of atoms that a node must all have; a preference is a row of wishes, best first, each
a list of atoms that decide between nodes.

Tags are looked up by what they mean (`protocol.languages`): a node with `zh-TW` has `a:zh` and
`a:zh~hant`, and a job for `zh-Hant` needs the latter. So a look-up costs the same in however many
ways a language may be written. The tag itself is an atom too (`a.zh-tw`): a job's wishes prefer
nodes that have the very tag, then those that have the bare language.
"""

from collections.abc import Collection, Iterable
from functools import lru_cache
from itertools import product

from protocol.audio.framing import AudioFormat
from protocol.languages import is_same_language, parse

STREAMING = "x:stream"
"""Of nodes that take a job while its utterance is being spoken."""
AUTO = "auto"
"""As source language: the node finds out."""
JOINS_TURNS = "x:joins"
"""The atom of a node that puts the segments of a turn together."""

FORMATS = tuple(each.value for each in AudioFormat)
"""Formats of audio that a job may have. A node that names none reads them all."""


def node_atoms(
    asr: Iterable[str],
    semantic: Iterable[str],
    tts: Iterable[str] = (),
    formats: Iterable[str] = FORMATS,
    traits: Iterable[str] = (),
) -> tuple[str, ...]:
    """Return the atoms of a node with these recognised, translated and spoken languages.

    `traits`: `STREAMING`, `JOINS_TURNS`, or both.
    """
    atoms = {*traits, *(f"f:{each}" for each in formats)}
    for stage, languages in (("a", asr), ("s", semantic), ("t", tts)):
        for tag in map(parse, languages):
            atoms.update(f"{stage}:{_safe(each)}" for each in tag.served_classes)
            atoms.add(f"{stage}.{_safe(tag.text)}")
    return tuple(sorted(atoms))


def languages_of(atoms: Iterable[str], stage: str) -> list[str]:
    """Return the tags that a node with these atoms registered for a stage: `a`, `s` or `t`."""
    return [str(parse(atom[2:])) for atom in atoms if atom.startswith(f"{stage}.")]


def formats_of(atoms: Iterable[str]) -> list[str]:
    """Return the formats of audio that a node with these atoms reads."""
    return sorted(atom[2:] for atom in atoms if atom.startswith("f:"))


def is_served(needed: str, abilities: Iterable[Collection[str]]) -> bool:
    """Return whether any of these sets of atoms fulfils a requirement."""
    wanted = set(needed.split(","))
    return any(wanted.issubset(atoms) for atoms in abilities)


def pairs_of(abilities: Iterable[Iterable[str]]) -> dict[tuple[str, str], bool]:
    """Return the pairs of languages that nodes with these atoms serve, and whether spoken."""
    pairs: dict[tuple[str, str], bool] = {}
    for atoms in map(tuple, abilities):
        spoken = set(languages_of(atoms, "t"))
        for pair in product(languages_of(atoms, "a"), languages_of(atoms, "s")):
            if pair[0] != pair[1]:
                is_spoken = any(is_same_language(pair[1], each) for each in spoken)
                pairs[pair] = pairs.get(pair, False) or is_spoken
    return pairs


_MOST_ASKED = 1000
"""Requirements whose answer is kept: they are made of what clients write."""


class Abilities:
    """What can be asked for now, as far as this instance knows: nodes here, and those elsewhere.

    Nodes of this instance are known at once, others within the interval at which the store is read.
    """

    def __init__(self) -> None:
        self._here: dict[str, tuple[str, ...]] = {}
        self._elsewhere: set[tuple[str, ...]] | None = None
        """None until the store was read once."""
        self._served: dict[str, bool] = {}
        """What was asked for since the last change: whoever waits asks with every utterance."""
        self.has_streaming = False
        """Some node takes jobs while they are spoken: each chunk asks for it."""

    def put(self, node_id: str, atoms: tuple[str, ...]) -> None:
        """A node of this instance can be chosen for these."""
        self._here[node_id] = atoms
        self._changed()

    def drop(self, node_id: str) -> None:
        """A node of this instance cannot be chosen any more."""
        self._here.pop(node_id, None)
        self._changed()

    def found(self, abilities: set[tuple[str, ...]]) -> None:
        """The store was read: these are all there are."""
        if abilities != self._elsewhere:
            self._elsewhere = abilities
            self._changed()

    def _changed(self) -> None:
        self._served.clear()
        known = (*self._here.values(), *(self._elsewhere or ()))
        self.has_streaming = any(STREAMING in atoms for atoms in known)

    def serve(self, needed: str) -> bool:
        """Return whether some node fulfils a requirement; true where that is not known yet."""
        if self._elsewhere is None:
            return True
        known = self._served.get(needed)
        if known is None:
            if len(self._served) >= _MOST_ASKED:
                self._served.clear()
            known = is_served(needed, self._here.values()) or is_served(needed, self._elsewhere)
            self._served[needed] = known
        return known

    def streams(self, needed: str) -> bool:
        """Return whether some node that streams fulfils a requirement, as far as is known."""
        return self.has_streaming and self.serve(f"{needed},{STREAMING}")

    def lacks_format(self, needed: str) -> str | None:
        """Return the format of audio without which a requirement would be fulfilled, if so."""
        bare, audio_format = without_format(needed)
        is_to_blame = audio_format is not None and not self.serve(needed) and self.serve(bare)
        return audio_format if is_to_blame else None

    def may_join(self, needed: str) -> bool:
        """Return whether a node that puts turns together may get such jobs.

        Where nobody takes them yet, who comes first may be such a node.
        """
        return self.serve(f"{needed},{JOINS_TURNS}") or not self.serve(needed)

    def lacking(
        self, src: str, tgt: str, *, use_nmt: bool = True, use_tts: bool = True
    ) -> str | None:
        """Return what nobody does for a session: `translation`, `speech`, or None.

        Without `use_nmt` it is the recogniser that lacks: as for all that is needed for a text.
        """
        needed = requirement(src, tgt, use_nmt=use_nmt)
        if not self.serve(needed):
            return "translation"
        if not use_tts:
            return None
        return None if self.serve(f"{needed},{_speech(tgt)}") else "speech"


def _speech(tgt: str) -> str:
    return f"t:{_safe(parse(tgt).language)}"


@lru_cache(maxsize=4096)
def requirement(
    src: str, tgt: str, lang_a: str | None = None, lang_b: str | None = None, *, use_nmt: bool
) -> str:
    """Return what a node must have for a job, in canonical form.

    A known source: it is recognised and the target translated into (`a:en,s:es`). `auto` with a
    pair: both languages both ways. `auto` alone: the target. Without translation: the recognised
    language only.
    """
    target = _class(tgt)
    if not is_auto(src):
        source = _class(src)
        atoms = {f"a:{source}", f"s:{target}"} if use_nmt else {f"a:{source}"}
    elif lang_a and lang_b:
        pair = (_class(lang_a), _class(lang_b))
        atoms = {f"a:{language}" for language in pair}
        if use_nmt:
            atoms |= {f"s:{language}" for language in pair}
    else:
        atoms = {f"s:{target}"} if use_nmt else {f"a:{target}"}
    return ",".join(sorted(atoms))


@lru_cache(maxsize=4096)
def with_format(needed: str, audio_format: AudioFormat) -> str:
    """Return the requirement of a job whose audio has this format."""
    return ",".join(sorted({*needed.split(","), f"f:{audio_format.value}"}))


@lru_cache(maxsize=4096)
def without_format(needed: str) -> tuple[str, str | None]:
    """Return what else a job needs than that its audio is read, and that audio's format."""
    atoms = needed.split(",")
    audio_format = next((atom[2:] for atom in atoms if atom.startswith("f:")), None)
    return ",".join(atom for atom in atoms if not atom.startswith("f:")), audio_format


@lru_cache(maxsize=4096)
def preference(src: str, tgt: str, *, use_nmt: bool, use_tts: bool) -> str:
    """Return what decides between nodes: speech in the target language, then the closest tags.

    `t:es,a.en,s.es t:es`: who speaks it and has these very tags, then who speaks it, then any.
    """
    wanted = [] if is_auto(src) else [[f"a.{name}" for name in _names(src)]]
    if use_nmt:
        wanted.append([f"s.{name}" for name in _names(tgt)])
    wishes = [",".join(atoms) for atoms in product(*wanted) if atoms]
    if use_tts:
        speech = _speech(tgt)
        wishes = [f"{speech},{wish}" for wish in wishes] + [speech]
    return " ".join(wishes)


def is_auto(src: str) -> bool:
    """Return whether the node shall find out what is spoken."""
    return src.strip().lower() == AUTO


def _names(tag: str) -> tuple[str, ...]:
    """Return the tag and its bare language, once where that is the same."""
    wanted = parse(tag)
    return tuple(map(_safe, dict.fromkeys((wanted.text, wanted.language))))


def _class(tag: str) -> str:
    return _safe(parse(tag).script_class)


def _safe(text: str) -> str:
    """Return it fit for keys and lists; unknown characters become `_`."""
    return "".join(letter if letter.isalnum() or letter in "-_~" else "_" for letter in text)
