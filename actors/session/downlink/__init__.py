"""What a speaker hears: outcomes, in the order of cuts."""
