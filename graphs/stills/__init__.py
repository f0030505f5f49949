"""Stills as a graph: from the frames of events to the results of the steps."""
