"""What a capture writes: clips, a list of tracks, a page of pictures, a video with boxes."""
