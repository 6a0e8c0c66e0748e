"""What shows that an exported graph is as good as the trained network."""
