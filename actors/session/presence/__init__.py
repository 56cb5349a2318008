"""The sessions of one process: which have a socket, and which of the others end first."""
