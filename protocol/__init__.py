"""What may be sent on a wire: ids, messages, frames, audio arithmetic, error codes.

Owns the shapes and their validation; knows nothing of sockets, clocks, actors or the store.
"""
