"""The engines that come with this project, as far as they are installed.

Owns what a missing piece means: a node without a translator or without opus still serves, offers
less, and says in one line how to get the rest.
"""

import importlib.metadata
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from peers.child_module import IS_INSTALLED
from peers.engines import opus, voice
from peers.engines.apertium import INSTALL, installed_modes
from peers.engines.engine import EngineError, EngineLanguages, Engines, Speak, Translate
from peers.engines.recogniser import ProcessRecogniser, installed_recogniser
from peers.engines.translator import ApertiumTranslator, pass_through
from peers.engines.voice import EspeakVoice, no_voice

EXTRA = f"pip install '{'lingua-scheduler' if IS_INSTALLED else '.'}[speech]'"


def default_workers() -> int:
    """Return how many utterances are recognised at once: one per core, one core left free."""
    return max(1, (os.cpu_count() or 1) - 1)


def builtin_engines(
    workers: int = 1, modes: Mapping[tuple[str, str], Path] | None = None
) -> Engines:
    """Return the installed engines with the languages they really serve.

    `modes` names the translators to use instead of those installed on the machine.

    Raises:
        EngineError: there is no recogniser, so no job could be done.
    """
    program = installed_recogniser()
    if program is None:
        raise EngineError(f"no recogniser: {EXTRA}, or write a node with engines of your own")
    pairs = installed_modes() if modes is None else modes
    heard = ProcessRecogniser.languages
    targets = tuple(sorted({into for source, into in pairs if source in heard}))
    notes: list[str] = []
    names = {"asr": f"{program.distribution} {_version(program.distribution)}"}
    if targets:
        translate: Translate = ApertiumTranslator(
            {pair: path for pair, path in pairs.items() if pair[0] in heard}
        )
        names["nmt"] = "apertium"
    else:
        translate = pass_through
        notes.append(f"no translator, so speech stays in English; to get Spanish: {INSTALL}")
    speak: Speak = no_voice
    if voice.is_installed():
        speak = EspeakVoice()
        names["tts"] = f"espeak-ng (espeakng-loader {_version('espeakng-loader')})"
    else:
        notes.append(f"no voice, so answers are text only; to get one: {EXTRA}")
    if not opus.is_installed():
        notes.append(f"no opus, so only PCM16 is understood and spoken; to get it: {EXTRA}")
    into = targets or heard
    spoken = tuple(dict.fromkeys((*into, *heard))) if voice.is_installed() else ()
    recogniser = ProcessRecogniser(program, workers)
    return Engines(
        recognise=recogniser,
        stream=recogniser,
        translate=translate,
        speak=speak,
        languages=EngineLanguages(asr=heard, semantic=into, tts=spoken),
        names=names,
        notes=tuple(notes),
    )


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return sys.implementation.name
