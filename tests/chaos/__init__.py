"""The chaos run: load, faults, and the rules that must hold."""
