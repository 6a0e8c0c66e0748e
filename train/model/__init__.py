"""The discriminative network: the only part that ships."""
