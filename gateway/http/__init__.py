"""Answers to plain HTTP requests on the same port."""
