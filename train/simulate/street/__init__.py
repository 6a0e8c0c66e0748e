"""A simulated street: several people who cross, seen by a camera and a LiDAR at once."""
