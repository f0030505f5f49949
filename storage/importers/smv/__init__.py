"""SMV images."""
