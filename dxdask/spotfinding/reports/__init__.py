"""What spot finding tells of each image and of a run: DIALS's lines, tables, plot of counts.

summary : the lines, and the table of images.
count_histogram : the plot of spots an image, in characters.
image_statistics, estimated_resolution : spots, intensity and resolution of each image.
"""
