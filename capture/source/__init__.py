"""What a recording holds, frame by frame."""
