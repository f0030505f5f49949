"""DIALS's experiment lists and reflection tables."""
