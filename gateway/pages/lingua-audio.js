/**
 * Audio for lingua-client: from a microphone or a file into a session, and speech to the ear.
 *
 * Opus goes out where the browser has WebCodecs (24 kbit/s, packets of 20 ms behind their lengths),
 * else PCM16; never MediaRecorder, whose container cannot be taken up again after a cut.
 */

import { bytesOfBase64 } from "./lingua-wire.js";

const RATE_HZ = 16_000;
const PIECE_MS = 100;
const PIECE_SAMPLES = (RATE_HZ * PIECE_MS) / 1000;
const OPUS = { codec: "opus", sampleRate: RATE_HZ, numberOfChannels: 1, bitrate: 24_000 };
const OPUS_FRAMES = { opus: { application: "voip", frameDuration: 20_000, format: "opus" } };
const SPEECH = { codec: "opus", sampleRate: 48_000, numberOfChannels: 1 };
const LONGEST_QUEUE = 30;
const MOST_FILE_BYTES = 200 * 1024 * 1024;
const MOST_HELD_MS = 120_000;
const FILE_SPEED = 3; // the server takes four times real time
const START_MS = 5_000;

/** Return `opus` where this browser can encode it as it goes out, else `pcm16`. */
export async function bestFormat() {
  if (typeof AudioEncoder === "undefined" || typeof AudioData === "undefined") return "pcm16";
  const { supported } = await AudioEncoder.isConfigSupported({ ...OPUS, ...OPUS_FRAMES })
    .catch(() => ({ supported: false }));
  return supported ? "opus" : "pcm16";
}

/** Turns samples (mono, 16 kHz, -1 to 1) into what the session's format says. */
class Encoder {
  #emit;
  #fail;
  #encoder = null;
  #packets = [];
  #packetMs = 0;
  #samples = 0;

  constructor(format, emit, fail) {
    this.#emit = emit;
    this.#fail = fail;
    if (format === "opus") {
      this.#encoder = new AudioEncoder({ output: (chunk) => this.#packet(chunk), error: fail });
      this.#encoder.configure({ ...OPUS, ...OPUS_FRAMES });
    }
  }

  encode(samples) {
    if (!this.#encoder) return this.#emit(pcm16Of(samples), (samples.length / RATE_HZ) * 1000);
    if (this.#encoder.state === "closed") return undefined;
    const data = new AudioData({
      format: "f32-planar", sampleRate: RATE_HZ, numberOfFrames: samples.length,
      numberOfChannels: 1, timestamp: Math.round((this.#samples / RATE_HZ) * 1e6), data: samples,
    });
    this.#samples += samples.length;
    this.#encoder.encode(data);
    data.close();
    return undefined;
  }

  /** Everything that was given has been emitted when this resolves. */
  async flush() {
    if (this.#encoder?.state === "configured") await this.#encoder.flush().catch(this.#fail);
    this.#emitPackets();
  }

  close() {
    if (this.#encoder && this.#encoder.state !== "closed") this.#encoder.close();
  }

  #packet(chunk) {
    const framed = new Uint8Array(2 + chunk.byteLength);
    new DataView(framed.buffer).setUint16(0, chunk.byteLength, true);
    chunk.copyTo(framed.subarray(2));
    this.#packets.push(framed);
    this.#packetMs += chunk.duration ? chunk.duration / 1000 : 20;
    if (this.#packetMs >= PIECE_MS) this.#emitPackets();
  }

  #emitPackets() {
    const [packets, durationMs] = [this.#packets.splice(0), this.#packetMs];
    this.#packetMs = 0;
    if (!packets.length) return;
    const whole = new Uint8Array(packets.reduce((size, packet) => size + packet.length, 0));
    let end = 0;
    for (const packet of packets) {
      whole.set(packet, end);
      end += packet.length;
    }
    this.#emit(whole, durationMs);
  }
}

function pcm16Of(samples) {
  const pcm = new DataView(new ArrayBuffer(2 * samples.length));
  samples.forEach((sample, index) => {
    pcm.setInt16(2 * index, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
  });
  return new Uint8Array(pcm.buffer);
}

function loudness(samples) {
  return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
}

/**
 * A microphone that speaks into a client. Events: `level` {rms}, `ended` (unplugged or taken away),
 * `problem`. Errors of `open` are those of getUserMedia (NotAllowedError, NotFoundError,
 * NotReadableError), `InsecureContext` where the page came without TLS, and `NoSoundDevice` where the
 * browser processes no sound.
 */
export class Microphone extends EventTarget {
  #client;
  #stream;
  #context;
  #node;
  #encoder;
  #isMuted = false;

  static async open(client, { deviceId, echoCancellation = true } = {}) {
    if (!globalThis.isSecureContext || !navigator.mediaDevices) {
      throw Object.assign(new Error("pages without TLS get no microphone"), { name: "InsecureContext" });
    }
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { deviceId, channelCount: 1, echoCancellation, noiseSuppression: true, autoGainControl: true },
    });
    const microphone = new Microphone();
    try {
      await microphone.#start(client, stream);
    } catch (error) {
      await microphone.close();
      throw error;
    }
    return microphone;
  }

  async #start(client, stream) {
    this.#client = client;
    this.#stream = stream;
    this.#encoder = new Encoder(
      client.options.audioFormat,
      (payload, ms) => client.sendAudio(payload, ms),
      (error) => this.#emit("problem", { message: error.message }),
    );
    stream.getAudioTracks()[0].onended = () => this.#emit("ended");
    const source = await this.#listen(stream);
    await this.#context.audioWorklet.addModule(new URL("./lingua-worklet.js", import.meta.url));
    this.#node = new AudioWorkletNode(this.#context, "lingua-capture", {
      numberOfInputs: 1, numberOfOutputs: 0, processorOptions: { samples: PIECE_SAMPLES },
    });
    this.#node.port.onmessage = ({ data }) => this.#take(data);
    source.connect(this.#node);
    await running(this.#context);
  }

  /** Some browsers cannot take a microphone into a context of another rate than its own. */
  async #listen(stream) {
    for (const options of [{ sampleRate: RATE_HZ }, {}]) {
      this.#context = new AudioContext({ ...options, latencyHint: "interactive" });
      try {
        return this.#context.createMediaStreamSource(stream);
      } catch (error) {
        await this.#context.close();
        if (!options.sampleRate) throw error;
      }
    }
    return undefined;
  }

  #take(samples) {
    this.#emit("level", { rms: loudness(samples) });
    if (!this.#isMuted) this.#encoder.encode(samples);
  }

  get isMuted() { return this.#isMuted; }
  set isMuted(isMuted) { this.#isMuted = isMuted; }

  /** End the utterance after all that was heard so far. */
  async endUtterance() {
    await this.#encoder.flush();
    this.#client.endUtterance();
  }

  async close() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#node?.port.postMessage("end");
    this.#node?.disconnect();
    await this.#encoder?.flush();
    this.#encoder?.close();
    if (this.#context && this.#context.state !== "closed") await this.#context.close();
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** A file of any kind that the browser can decode, spoken into a client at three times its speed. */
export class FileSpeech {
  #isOver = false;

  /** Resolves when all of it was taken. `progress` is called with a fraction from 0 to 1. */
  async speak(client, file, progress = () => {}) {
    if (file.size > MOST_FILE_BYTES) throw new Error("the file is longer than 200 MB");
    const context = new OfflineAudioContext(1, 1, RATE_HZ);
    const decoded = await context.decodeAudioData(await file.arrayBuffer());
    const samples = mono(decoded);
    const emit = (payload, ms) => client.sendAudio(payload, ms);
    const encoder = new Encoder(client.options.audioFormat, emit, () => { this.#isOver = true; });
    const startMs = performance.now();
    for (let start = 0; start < samples.length && !this.#isOver; start += PIECE_SAMPLES) {
      const piece = new Float32Array(PIECE_SAMPLES); // the last one ends with zeros
      piece.set(samples.subarray(start, start + PIECE_SAMPLES));
      while (mustWait(client)) await pause(PIECE_MS);
      if (client.state === "closed") break;
      encoder.encode(piece);
      progress(Math.min(1, (start + PIECE_SAMPLES) / samples.length));
      const aheadMs = ((start / RATE_HZ) * 1000) / FILE_SPEED - (performance.now() - startMs);
      if (aheadMs > 0) await pause(aheadMs);
    }
    await encoder.flush();
    encoder.close();
    client.endUtterance();
  }

  stop() {
    this.#isOver = true;
  }
}

/** A file can wait: for the line, and for the server to have dealt with what it was sent. */
function mustWait(client) {
  return client.state !== "closed" && (client.state !== "open" || client.heldMs > MOST_HELD_MS);
}

function mono(decoded) {
  const left = decoded.getChannelData(0);
  if (decoded.numberOfChannels === 1) return left;
  const right = decoded.getChannelData(1);
  return left.map((sample, index) => (sample + right[index]) / 2);
}

/** Where there is no device to play on, Firefox says neither yes nor no. */
async function running(context) {
  await Promise.race([context.resume(), pause(START_MS)]);
  if (context.state === "running") return;
  throw Object.assign(new Error("no sound device is ready"), { name: "NoSoundDevice" });
}

function pause(ms) {
  return new Promise((resolve) => { setTimeout(resolve, ms); });
}

/**
 * Plays speech, one piece after the other in the order it came. Events: `start` and `end` of each,
 * with its `key`; `busy` and `idle` around each run.
 */
export class SpeechPlayer extends EventTarget {
  #context = null;
  #queue = [];
  #source = null;

  /** Tell whether this browser can play opus; where not, ask for `ttsFormat: "pcm16"`. */
  static async playsOpus() {
    if (typeof AudioDecoder === "undefined") return false;
    return (await AudioDecoder.isConfigSupported(SPEECH).catch(() => ({}))).supported === true;
  }

  get isPlaying() { return this.#source !== null; }

  /** To be called from a click or a key: browsers play nothing before one. */
  async unlock() {
    this.#context ??= new AudioContext({ latencyHint: "interactive" });
    await Promise.race([this.#context.resume(), pause(START_MS)]); // text comes without sound, too
  }

  /** Play what a `translation_result` brought, after what waits already. */
  play(base64, format, key) {
    if (!base64) return;
    this.#queue.push({ bytes: bytesOfBase64(base64), format, key });
    if (this.#queue.length > LONGEST_QUEUE) this.#queue.shift();
    if (!this.#source) this.#next();
  }

  /** Be silent at once, and forget what waits. */
  stop() {
    this.#queue = [];
    if (this.#source instanceof AudioScheduledSourceNode) this.#source.stop();
  }

  async #next() {
    const { bytes, format, key } = this.#queue.shift();
    const isFirst = this.#source === null;
    this.#source = "decoding";
    if (isFirst) this.#emit("busy");
    try {
      this.#context ??= new AudioContext();
      const buffer = format === "opus" ? await opusBuffer(bytes) : pcmBuffer(bytes);
      this.#source = new AudioBufferSourceNode(this.#context, { buffer });
      this.#source.connect(this.#context.destination);
      this.#emit("start", { key, durationMs: Math.round(buffer.duration * 1000) });
      await new Promise((resolve) => {
        this.#source.onended = resolve;
        this.#source.start();
      });
    } catch (error) {
      this.#emit("problem", { key, message: error.message });
    }
    this.#emit("end", { key });
    if (this.#queue.length) return this.#next();
    this.#source = null;
    return this.#emit("idle");
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

function bufferOf(parts, sampleRate) {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (!length) throw new Error("there is no speech in it");
  const buffer = new AudioBuffer({ length, sampleRate, numberOfChannels: 1 });
  let end = 0;
  for (const part of parts) {
    buffer.copyToChannel(part, 0, end);
    end += part.length;
  }
  return buffer;
}

function pcmBuffer(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength - (bytes.byteLength % 2));
  const samples = new Float32Array(view.byteLength / 2);
  samples.forEach((_, index) => { samples[index] = view.getInt16(2 * index, true) / 32768; });
  return bufferOf([samples], RATE_HZ);
}

async function opusBuffer(bytes) {
  const parts = [];
  let sampleRate = SPEECH.sampleRate;
  let failure = null;
  const decoder = new AudioDecoder({
    output(data) {
      const samples = new Float32Array(data.numberOfFrames);
      data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      sampleRate = data.sampleRate;
      parts.push(samples);
      data.close();
    },
    error(error) { failure = error; },
  });
  decoder.configure(SPEECH);
  let timestamp = 0;
  for (const packet of packetsOf(bytes)) {
    decoder.decode(new EncodedAudioChunk({ type: "key", timestamp, data: packet }));
    timestamp += 20_000;
  }
  await decoder.flush().catch((error) => { failure ??= error; });
  if (decoder.state !== "closed") decoder.close();
  if (failure && !parts.length) throw failure;
  return bufferOf(parts, sampleRate);
}

/** Yield the opus packets of a stream in which each stands behind its length (2 bytes). */
function* packetsOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let start = 0;
  while (start + 2 <= bytes.length) {
    const end = start + 2 + view.getUint16(start, true);
    if (end > bytes.length) return;
    if (end > start + 2) yield bytes.subarray(start + 2, end);
    start = end;
  }
}
