"""What only the end-to-end tests share."""
