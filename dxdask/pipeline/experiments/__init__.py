"""Sets of experiments: stores combined, split, and cut to ranges of images.

carried : runs and their results placed in another store. combine, split : the jobs.
models : models replaced by one of them, or by their average.
"""
