"""Where rays go: turning crystals, the Ewald sphere, resolution; what several steps share."""
