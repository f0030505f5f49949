"""The report as one HTML page that needs no network.

plots : what a page draws: lines, rectangles with values, grids. sections : sections and how one is
declared. encode : numbers as compact binary. html : texts, tables and the whole page.
make : the report of a store.
"""
