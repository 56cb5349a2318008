"""What only the tests of the protocol share."""
