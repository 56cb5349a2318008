"""Traces of utterances, for who follows them with OpenTelemetry."""
