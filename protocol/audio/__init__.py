"""Audio without decoding it: framing and durations, containers, loudness, pieces."""
