"""The fate of every frame, spot and reflection, with its reason.

fates : of the reflections of integration, scaling and merging, from their flags; of spots.
frames : of images. sums : numbers by fate, which add up to the totals.
why : what became of a frame, of a spot, or of all observations of a Miller index.
"""
