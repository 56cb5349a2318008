"""Bytes of strangers: readers and a whole server, fed with what is nearly right."""
