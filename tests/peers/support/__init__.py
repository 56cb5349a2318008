"""What only the tests of the reference peers share."""
