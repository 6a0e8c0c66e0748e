"""People in a camera's pictures: where they are, and their masks."""
