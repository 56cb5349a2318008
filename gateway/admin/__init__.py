"""The operators' live view and their commands: one socket each, one survey for all of them."""
