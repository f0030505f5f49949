"""CBF images: miniCBF and full CBF."""
