"""Other ways to align both modalities, after the methods of the paper's Tables 1 to 3."""
