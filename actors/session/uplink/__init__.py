"""What a speaker says: audio, cut into utterances."""
