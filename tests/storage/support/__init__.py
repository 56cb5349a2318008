"""What the tests of the store share."""
