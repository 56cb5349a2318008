"""Text to speech: the built-in voice (eSpeak NG, out of the `espeakng-loader` wheel).

Owns the library, which has global state and takes one caller at a time: everything here runs in one
thread of its own. A sentence takes 5-10 ms, and the library lets go of the interpreter's lock
meanwhile.
"""

import asyncio
import ctypes
import importlib.util
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from peers.engines.engine import EngineError, ModelMissingError, Speech

_SYNCHRONOUS = 2
"""AUDIO_OUTPUT_SYNCHRONOUS: `espeak_Synth` returns when all speech went to the callback."""
_DO_NOT_EXIT = 0x8000
"""espeakINITIALIZE_DONT_EXIT: a wrong data path is an answer, not the end of the process."""
_UTF8 = 1
_BY_CHARACTER = 1
_OTHER_NAMES = {"zh": "cmn", "no": "nb", "tl": "fil"}
"""Languages that eSpeak NG calls differently."""

_SynthCallback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


def is_installed() -> bool:
    """Say whether this Python has the library."""
    return importlib.util.find_spec("espeakng_loader") is not None


class EspeakLibrary:
    """The library in C, started once per process. Not for more than one thread."""

    def __init__(self) -> None:
        import espeakng_loader  # noqa: PLC0415 - an extra, which only a node with this voice has

        library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
        data_dir = str(espeakng_loader.get_data_path())
        self.languages = _voices(Path(data_dir))
        self._synth: Callable[..., int] = library.espeak_Synth
        library.espeak_Synth.argtypes = [
            *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int),
            *(ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p),
        ]
        self._set_voice: Callable[[bytes], int] = library.espeak_SetVoiceByName
        self._pcm = bytearray()
        self._callback = _SynthCallback(self._take)
        self._rate_hz: int = library.espeak_Initialize(
            _SYNCHRONOUS, 0, data_dir.encode(), _DO_NOT_EXIT
        )
        if self._rate_hz <= 0:
            raise EngineError("eSpeak NG finds no voices")
        library.espeak_SetSynthCallback(self._callback)

    def speak(self, text: str, language: str) -> Speech:
        """Return the speech; see `EspeakVoice`."""
        name = _OTHER_NAMES.get(language, language)
        if name not in self.languages or self._set_voice(name.encode()) != 0:
            raise ModelMissingError(f"eSpeak NG has no voice for {language}")
        data = text.replace("\0", " ").encode() + b"\0"
        self._pcm.clear()
        if self._synth(data, len(data), 0, _BY_CHARACTER, 0, _UTF8, None, None) != 0:
            raise EngineError("eSpeak NG refused the text")
        return Speech(bytes(self._pcm), self._rate_hz)

    def _take(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._pcm += ctypes.string_at(samples, count * 2)
        return 0


@cache
def _library() -> EspeakLibrary:
    return EspeakLibrary()


@cache
def _thread() -> ThreadPoolExecutor:
    """Return the only thread that calls the library; it ends with the process."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="espeak")


def _voices(data_dir: Path) -> frozenset[str]:
    return frozenset(path.name for path in (data_dir / "lang").rglob("*") if path.is_file())


class EspeakVoice:
    """Speaks about a hundred languages, as clearly and as flatly as a machine."""

    async def start(self) -> None:
        """Load the library."""
        await asyncio.get_running_loop().run_in_executor(_thread(), _library)

    async def stop(self) -> None:
        """Nothing to end: the library stays loaded."""

    async def __call__(self, text: str, language: str) -> Speech:
        """Return the speech of a text, mono PCM16 at 22,050 Hz; empty for an empty text.

        Raises:
            ModelMissingError: no voice for the language.
            EngineError: the library refuses.
        """
        if not text.strip():
            return Speech(b"", 16_000)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(_thread(), lambda: _library().speak(text, language))


async def no_voice(_text: str, language: str) -> Speech:
    """Stand in where no voice is installed.

    Raises:
        ModelMissingError: always.
    """
    raise ModelMissingError(f"no voice for {language} here")
