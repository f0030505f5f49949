"""Masks: which pixels of the detector may be used."""
