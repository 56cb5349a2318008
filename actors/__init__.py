"""Who decides, in which order: the actors, their messages and the pure parts beside them."""
