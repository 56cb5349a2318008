"""The messages of each socket: `*_inbound` is what a peer sends us, `*_outbound` what it gets."""
