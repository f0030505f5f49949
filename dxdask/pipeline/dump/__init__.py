"""Chosen events of a store as files of other programs, or as pictures.

`choice` selects events, `write` reads and writes them, `pictures` draws them; `parameters` is
what `dxdask dump` takes.
"""
