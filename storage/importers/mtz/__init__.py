"""Unmerged reflections of CCP4 (`.mtz`)."""
