"""Programs at the other end of a socket."""
