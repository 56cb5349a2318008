"""Several actors together, without sockets."""
