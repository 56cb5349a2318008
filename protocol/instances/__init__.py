"""What instances send each other: the frames of a link, and a socket that is passed through."""
