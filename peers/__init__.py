"""The other end: reference node, reference client, load generator. Usable without the server."""
