"""A camera and a LiDAR in the same place: which of their tracks are the same person."""
