"""What a camera and a LiDAR see, and from where."""
