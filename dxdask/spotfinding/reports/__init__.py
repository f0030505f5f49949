"""Messages and tables of spot finding: DIALS's lines, tables and plot of counts.

summary : the messages, and the table of images.
count_histogram : the plot of spots per image, in characters.
image_statistics : the table of spots, intensity and resolution of each image.
estimated_resolution : kernels that estimate the resolution of an image.
"""
