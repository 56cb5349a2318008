"""How a session goes on after its socket or its instance was lost."""
