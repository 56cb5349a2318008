"""The process in which speech is recognised by pocketsphinx, one utterance at a time.

The decoder holds the interpreter's lock for a second at a time, which no event loop survives. What
is sent on its pipes stands in `recogniser_pipe.py`.

About the means ("cmn", cepstral mean normalisation): the decoder subtracts the average spectrum of
voice and microphone. Fed piece by piece, which partial texts and cancelling need, it starts from a
stranger's average. So each utterance is measured ahead (15-25 ms), and half of what was known of
the session's voice before is kept: a short utterance says little about its speaker. Words wrong in
the carried recordings, as PCM and as opus, mean of all orders: 0.37 and 0.34 from the stranger's
average, 0.28 and 0.33 with what the decoder learns by itself carried along, 0.25 and 0.25 so.
"""

from pocketsphinx import Decoder, Vad

from peers.engines.recogniser_pipe import Inbox, Order, StreamOrder, say, serve

PIECE_BYTES = 16_000
"""Half a second: how often a partial text is made and a cancel is seen."""
FIRST_BYTES = 16_000
"""What a voice that is heard for the first time is measured on: half a second."""
SPEECH_FRAMES = 4
"""So many frames of speech in a row (30 ms each) are needed: the decoder finds words in any hum."""
MEASURE = "measure"
MEASURE_GRAMMAR = "#JSGF V1.0;\ngrammar measure;\npublic <word> = a;\n"
"""A language of one word: what the decoder listens for while only the spectrum is of interest."""


class SpeechDetector:
    """Tells whether somebody spoke in what it was given, piece by piece."""

    def __init__(self, vad: Vad) -> None:
        self._vad = vad
        self._rest = b""
        self._in_a_row = 0
        self.has_speech = False

    def add(self, pcm: bytes) -> None:
        """Take PCM16 16 kHz mono."""
        size = self._vad.frame_bytes
        self._rest += pcm
        while len(self._rest) >= size and not self.has_speech:
            frame, self._rest = self._rest[:size], self._rest[size:]
            self._in_a_row = self._in_a_row + 1 if self._vad.is_speech(frame) else 0
            self.has_speech = self._in_a_row == SPEECH_FRAMES
        if self.has_speech:
            self._rest = b""


class PocketsphinxDecoder:
    """One decoder and the means it starts from."""

    def __init__(self) -> None:
        # Without the second pass the tail after the last audio is 15-35 ms instead of 110-280, at
        # the same error rate.
        self._decoder = Decoder(samprate=16000, loglevel="FATAL", fwdflat=False)
        self._search = self._decoder.current_search()
        self._decoder.add_jsgf_string(MEASURE, MEASURE_GRAMMAR)
        self._vad = Vad(Vad.STRICT)

    def recognise(self, order: Order, inbox: Inbox) -> dict[str, str]:
        """Return the message that ends the order; partial texts are told on the way."""
        if not self._has_speech(order.pcm):
            return {"is": "text", "text": "", "cmn": order.cmn}
        means = mixed(self._measure(order.pcm), order.cmn)
        self._decoder.set_cmn(means)
        self._decoder.start_utt()
        text = ""
        for start in range(0, len(order.pcm), PIECE_BYTES):
            if inbox.is_cancelled(order):
                self._decoder.end_utt()
                return {"is": "cancelled"}
            self._decoder.process_raw(order.pcm[start : start + PIECE_BYTES])
            text = self._tell_partial(text)
        self._decoder.end_utt()
        return {"is": "text", "text": self._text(), "cmn": means}

    def stream(self, order: StreamOrder, inbox: Inbox) -> dict[str, str]:
        """Decode what comes as it comes.

        A session that is heard for the first time is measured on its first half second: the whole
        is not there yet. What the decoder learns on the way is what is known of the next one.
        """
        detector = SpeechDetector(self._vad)
        beginning = b""
        while piece := order.next_piece():
            beginning += piece
            if order.cmn or len(beginning) >= FIRST_BYTES:
                break
        if not beginning or inbox.is_cancelled(order):
            return {"is": "cancelled"} if inbox.is_cancelled(order) else {"is": "text"}
        self._decoder.set_cmn(order.cmn or self._measure(beginning))
        self._decoder.start_utt()
        text, piece = "", beginning
        while piece and not inbox.is_cancelled(order):
            self._decoder.process_raw(piece)
            detector.add(piece)
            if detector.has_speech:
                text = self._tell_partial(text)
            piece = order.next_piece()
        self._decoder.end_utt()
        if inbox.is_cancelled(order):
            return {"is": "cancelled"}
        if not detector.has_speech:
            return {"is": "text", "text": "", "cmn": order.cmn}
        means = mixed(str(self._decoder.get_cmn(False)), order.cmn)
        return {"is": "text", "text": self._text(), "cmn": means}

    def _has_speech(self, pcm: bytes) -> bool:
        detector = SpeechDetector(self._vad)
        detector.add(pcm)
        return detector.has_speech

    def _measure(self, pcm: bytes) -> str:
        """Return the average spectrum of the whole utterance without looking for words."""
        self._decoder.activate_search(MEASURE)
        try:
            self._decoder.start_utt()
            self._decoder.process_raw(pcm, no_search=True, full_utt=True)
            means = str(self._decoder.get_cmn(False))
            self._decoder.end_utt()
        finally:
            self._decoder.activate_search(self._search)
        return means

    def _tell_partial(self, told: str) -> str:
        text = self._text()
        if text and text != told:
            say({"is": "partial", "text": text})
        return text

    def _text(self) -> str:
        hypothesis = self._decoder.hyp()
        return str(hypothesis.hypstr) if hypothesis is not None else ""


def mixed(measured: str, known: str) -> str:
    """Return means half way between those of this utterance and those known before, if any."""
    if not known:
        return measured
    pairs = zip(measured.split(","), known.split(","), strict=True)
    return ",".join(f"{(float(a) + float(b)) / 2:g}" for a, b in pairs)


if __name__ == "__main__":
    serve(PocketsphinxDecoder)
