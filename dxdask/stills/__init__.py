"""Stills: hits, crystals, intensities and detector metrology from single shots."""
