"""What only the tests of actors share."""
