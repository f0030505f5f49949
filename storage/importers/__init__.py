"""Readers of raw frames and their headers."""
