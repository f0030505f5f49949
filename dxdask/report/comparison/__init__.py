"""Two branches, stores or runs side by side.

sides : what is compared. tables : counts, RMSDs, cells, shells, parameters.
matched : intensities of the same reflections. compare : all of it, as tables, text and a page.
plots : the same as axes.
"""
