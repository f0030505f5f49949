"""The jobs: storage, graphs and cluster joined, and their faces in Python."""
