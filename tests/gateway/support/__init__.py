"""What only the tests of the gateway share."""
