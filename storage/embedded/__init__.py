"""A store of our own: a server process that ends with ours."""
