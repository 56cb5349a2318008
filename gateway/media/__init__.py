"""Audio that no node takes becomes PCM16 16 kHz mono, in processes of their own (extra `media`)."""
