"""Reflections of XDS (`XDS_ASCII.HKL`, `INTEGRATE.HKL`)."""
