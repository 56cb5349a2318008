/**
 * The microphone's part in the audio thread: mono, 16 kHz, in pieces of equal length.
 *
 * Where the browser's context does not run at 16 kHz the samples are low-passed and interpolated
 * here (windowed sinc, 16 zero crossings).
 */

const RATE_HZ = 16_000;
const ZERO_CROSSINGS = 16;

class Capture extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.piece = new Float32Array(processorOptions.samples);
    this.filled = 0;
    this.step = sampleRate / RATE_HZ;
    this.reach = Math.ceil(ZERO_CROSSINGS * Math.max(1, this.step));
    this.history = new Float32Array(2 * this.reach + 8192);
    this.held = this.reach; // zeros before the first sample
    this.position = this.reach;
    this.isOver = false;
    this.port.onmessage = () => { this.isOver = true; };
  }

  process([channels]) {
    if (this.isOver) return false;
    if (channels.length) this.take(mixed(channels));
    return true;
  }

  take(samples) {
    if (this.step === 1) {
      for (const sample of samples) this.put(sample);
      return;
    }
    this.history.set(samples, this.held);
    this.held += samples.length;
    while (this.position + this.reach < this.held) {
      this.put(this.at(this.position));
      this.position += this.step;
    }
    const past = Math.floor(this.position) - this.reach;
    if (past > 0) {
      this.history.copyWithin(0, past, this.held);
      this.held -= past;
      this.position -= past;
    }
  }

  at(position) {
    const cut = Math.min(1, 1 / this.step);
    const first = Math.ceil(position - this.reach);
    let sum = 0;
    for (let index = Math.max(0, first); index <= position + this.reach; index += 1) {
      const distance = (index - position) * cut;
      const window = 0.5 + 0.5 * Math.cos(Math.PI * distance / ZERO_CROSSINGS);
      const sinc = distance === 0 ? 1 : Math.sin(Math.PI * distance) / (Math.PI * distance);
      if (Math.abs(distance) <= ZERO_CROSSINGS) sum += this.history[index] * sinc * window;
    }
    return sum * cut;
  }

  put(sample) {
    this.piece[this.filled] = sample;
    this.filled += 1;
    if (this.filled === this.piece.length) {
      const full = this.piece;
      this.piece = new Float32Array(full.length);
      this.filled = 0;
      this.port.postMessage(full, [full.buffer]);
    }
  }
}

function mixed(channels) {
  if (channels.length === 1) return channels[0];
  return channels[0].map((sample, index) => (sample + channels[1][index]) / 2);
}

registerProcessor("lingua-capture", Capture);
