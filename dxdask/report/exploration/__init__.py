"""Pixels, intensities, pairs, ratios and masks of an ensemble, by run, module and image range.

explore : the selection, and its tables. tables : each from the columns of the steps.
plots : the same as axes.
"""
