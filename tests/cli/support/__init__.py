"""What only the tests of the commands share."""
