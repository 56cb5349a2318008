"""The recorder of a real browser: what `MediaRecorder` makes of a microphone reaches a node."""

import asyncio
import json
from pathlib import Path

import pytest

from protocol.audio.framing import opus_ticks
from tests.end_to_end.support.peers.chromium import chromium, program
from tests.support.peers.raw_node import Ability, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

pytestmark = pytest.mark.takes(15)
pytest.importorskip("av", reason="without PyAV nothing is taken apart (extra `media`)")
SPEECH = Path(__file__).parents[2] / "peers" / "data" / "speech" / "librivox-0870.wav"
RECORD = """
(async (mime, source, target, sliceMs, lengthMs) => {
  if (!MediaRecorder.isTypeSupported(mime)) return {unsupported: true};
  const socket = new WebSocket(`ws://${location.host}/ws/session`);
  const heard = [], errors = [];
  const answer = kind => new Promise(done => {
    socket.addEventListener("message", event => {
      const message = JSON.parse(event.data);
      if (message.type === kind) done(message);
    });
  });
  socket.addEventListener("message", event => {
    const message = JSON.parse(event.data);
    if (message.type === "translation_result") heard.push(message.text_translated);
    if (message.type === "error") errors.push(message.message);
  });
  await new Promise(done => socket.addEventListener("open", done));
  const acked = answer("session_init_ack");
  socket.send(JSON.stringify({type: "session_init", client_version: "recorder", platform: "test",
    src_lang: source, tgt_lang: target}));
  const session_id = (await acked).session_id;
  const stream = await navigator.mediaDevices.getUserMedia({audio: true});
  const recorder = new MediaRecorder(stream, {mimeType: mime});
  let seq = 0, sending = Promise.resolve();
  const send = (bytes, is_final) => socket.send(JSON.stringify({type: "audio_chunk", session_id,
    seq: seq++, is_final, payload: btoa(String.fromCharCode(...bytes))}));
  recorder.addEventListener("dataavailable", event => {
    sending = sending.then(async () => send(new Uint8Array(await event.data.arrayBuffer()), false));
  });
  recorder.start(sliceMs);
  await new Promise(done => setTimeout(done, lengthMs));
  const stopped = new Promise(done => recorder.addEventListener("stop", done));
  recorder.stop();
  await stopped;
  await sending;
  const result = answer("translation_result");
  send(new Uint8Array(0), true);
  await Promise.race([result, new Promise(done => setTimeout(done, 8000))]);
  stream.getTracks().forEach(track => track.stop());
  return {heard, errors};
})
"""


@pytest.mark.parametrize("mime", ["audio/webm;codecs=opus", "audio/mp4"])
@over_sockets
async def test_what_a_page_records_reaches_the_node(
    scheduler: SchedulerProcess, pair: Pair, mime: str
) -> None:
    ability = Ability(asr=(pair[0],), semantic=(pair[1],))
    microphone = f"--use-file-for-fake-audio-capture={SPEECH}"
    async with (
        raw_node(scheduler.node_url, ability, answering=True) as node,
        chromium(program(), microphone) as browser,
    ):
        page = await browser.open(scheduler.session_url.replace("ws://", "http://").split("/ws")[0])
        arguments = ", ".join(json.dumps(each) for each in (mime, *pair, 250, 3_000))
        async with asyncio.timeout(40):
            said = await page.run(f"({RECORD.strip()})({arguments})")
        if said.get("unsupported"):
            pytest.skip(f"NO {mime}: this browser does not record it")
        assert said["errors"] == []
        assert said["heard"]
        heard_ms = 0.0
        for job in node.jobs:
            audio, is_opus = audio_of(job), job["audio_format"] == "opus"
            assert is_opus is mime.startswith("audio/webm")
            heard_ms += opus_ticks(audio) / 48 if is_opus else len(audio) / 32
        assert 2_000 < heard_ms < 3_500
