"""Frames of a store: chunks copied or linked, read by slices."""
