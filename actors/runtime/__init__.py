"""pykka on the event loop: actors, timers, bounded mailboxes, supervision."""
