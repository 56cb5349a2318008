/**
 * HeldAudio: what was spoken and may have to be sent again.
 *
 * Owns the numbers of the pieces (`seq`, from 0 in each session), which of them were sent, and when
 * they were spoken. Invariant: pieces are in the order of speech, their numbers without a gap.
 */

const MARK_COUNT = 6_000; // pieces whose time of speech is remembered: ten minutes of 100 ms

export class HeldAudio {
  #pieces = []; // {seq, payload, durationMs, atMs}; payload null: an utterance ends here
  #next = 0; // index of the first piece that was not sent
  #seq = 0;
  #bytes = 0;
  #heldMs = 0;
  #mostBytes;
  #spokenMs = 0;
  #marks = []; // {endMs, atMs}

  constructor(mostBytes) {
    this.#mostBytes = mostBytes;
  }

  get hasUnsent() { return this.#next < this.#pieces.length; }
  get heldMs() { return this.#heldMs; }

  /** Keep a piece; false when it does not fit. An end always does. */
  add(payload, durationMs, atMs) {
    const size = payload?.byteLength ?? 0;
    if (size && this.#bytes + size > this.#mostBytes) return false;
    this.#bytes += size;
    this.#heldMs += durationMs;
    this.#pieces.push({ seq: this.#seq, payload, durationMs, atMs });
    this.#seq += 1;
    this.#mark(durationMs, atMs);
    return true;
  }

  /** Return the next piece to send, which then counts as sent; undefined: none. */
  next() {
    const piece = this.#pieces[this.#next];
    if (piece) this.#next += 1;
    return piece;
  }

  /** The outcomes of everything before this number are safe. */
  forgetBefore(seq) {
    let count = 0;
    while (count < this.#pieces.length && this.#pieces[count].seq < seq) {
      this.#bytes -= this.#pieces[count].payload?.byteLength ?? 0;
      this.#heldMs -= this.#pieces[count].durationMs;
      count += 1;
    }
    this.#pieces.splice(0, count);
    this.#next = Math.max(0, this.#next - count);
  }

  /** The session goes on on another socket: send again from this number. */
  sendFrom(seq) {
    const first = this.#pieces[0]?.seq ?? this.#seq;
    this.#next = Math.min(Math.max(0, seq - first), this.#pieces.length);
  }

  /** Another session begins: all that is kept is sent again, numbered from 0. */
  restart() {
    this.#next = 0;
    this.#seq = 0;
    this.#spokenMs = 0;
    this.#marks = [];
    for (const piece of this.#pieces) {
      piece.seq = this.#seq;
      this.#seq += 1;
      this.#mark(piece.durationMs, piece.atMs);
    }
  }

  /** Return how long ago the audio up to this place of the session was spoken; null: unknown. */
  sinceSpoken(audioMs, nowMs) {
    if (audioMs === undefined || audioMs === null) return null;
    const mark = this.#marks.find(({ endMs }) => endMs >= audioMs);
    return mark ? Math.max(0, Math.round(nowMs - mark.atMs + mark.endMs - audioMs)) : null;
  }

  #mark(durationMs, atMs) {
    if (!durationMs) return;
    this.#spokenMs += durationMs;
    this.#marks.push({ endMs: this.#spokenMs, atMs });
    if (this.#marks.length > MARK_COUNT) this.#marks.splice(0, MARK_COUNT / 2);
  }
}
