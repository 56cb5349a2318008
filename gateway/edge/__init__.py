"""WebSocket connections: handshake, frames, reading and writing."""
