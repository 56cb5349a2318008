"""What the scripts answer: values to match on, and the readers that make them of raw replies."""
