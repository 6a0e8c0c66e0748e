"""People in a LiDAR's clouds: what is not the scene, what of it is a person, who is who."""
