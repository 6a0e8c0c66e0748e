"""What other cameras, segmenters and LiDARs would have made of the clips of a batch."""
