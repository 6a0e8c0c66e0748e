"""Recordings of a camera or a LiDAR into tracks of one person each, and into their clip files."""
