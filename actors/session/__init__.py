"""One speaker, from the first chunk to the last outcome."""
