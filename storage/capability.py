"""Capability atoms: what a node can do and what a job needs, as short words.

`a:en` recognises English, `s:es` translates into Spanish, `t:es` speaks Spanish. A node has a set
of atoms; a requirement is a canonical list of atoms that a node must all have; a preference is an
atom that decides between nodes that are otherwise equal. Pure.
"""

from collections.abc import Iterable
from functools import lru_cache

AUTO = "auto"
"""As source language: the node finds out."""


def node_atoms(
    asr: Iterable[str], semantic: Iterable[str], tts: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return the atoms of a node with these recognised, translated and spoken languages."""
    atoms = {f"a:{_code(language)}" for language in asr}
    atoms |= {f"s:{_code(language)}" for language in semantic}
    atoms |= {f"t:{_code(language)}" for language in tts}
    return tuple(sorted(atoms))


@lru_cache(maxsize=4096)
def requirement(
    src: str, tgt: str, lang_a: str | None = None, lang_b: str | None = None, *, use_nmt: bool
) -> str:
    """Return what a node must have for a job, in canonical form.

    A known source: it is recognised and the target translated into (`a:en,s:es`). `auto` with a
    pair: both languages both ways. `auto` alone: the target. Without translation: the recognised
    language only.
    """
    source, target = _code(src), _code(tgt)
    if source != AUTO:
        atoms = {f"a:{source}", f"s:{target}"} if use_nmt else {f"a:{source}"}
    elif lang_a and lang_b:
        pair = (_code(lang_a), _code(lang_b))
        atoms = {f"a:{language}" for language in pair}
        if use_nmt:
            atoms |= {f"s:{language}" for language in pair}
    else:
        atoms = {f"s:{target}"} if use_nmt else {f"a:{target}"}
    return ",".join(sorted(atoms))


@lru_cache(maxsize=4096)
def preference(tgt: str) -> str:
    """Return the atom that decides between equal nodes: speech in the target language."""
    return f"t:{_code(tgt)}"


def _code(language: str) -> str:
    """Return a language code that is safe inside keys and lists; unknown characters become `_`."""
    return "".join(
        letter if letter.isalnum() or letter in "-_" else "_" for letter in language.strip().lower()
    )
