"""What is claimed about speed and accuracy, each a command."""
