"""CrystFEL's geometry files, and raw events described by them."""
