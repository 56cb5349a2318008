/** How figures are written. Pure. */

export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.round((ms % 60_000) / 1000)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

export function clock(ms) {
  return new Date(ms).toLocaleTimeString();
}

export function bytes(count) {
  if (count === undefined || count === null) return "–";
  return count < 1024 * 1024 ? `${Math.round(count / 1024)} KiB` : `${(count / 1024 / 1024).toFixed(1)} MiB`;
}

/** Where the time goes, in the order of an utterance's way. */
export const STAGES = [
  ["stage_wait", "Waiting for a node"], ["final_to_assign", "Cut until a node has it"],
  ["stage_node", "At the node, in all"], ["stage_asr", "Recognition"], ["stage_nmt", "Translation"],
  ["stage_tts", "Speech"], ["final_to_result", "Cut until the result"],
  ["result_after_speech", "Result after the end of speech"], ["store", "One call of the store"],
];
