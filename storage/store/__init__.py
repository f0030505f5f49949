"""The zarr layout of a store: creation, reading, writing, runs, steps, masks."""
