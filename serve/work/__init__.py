"""What is done for a request: decoding, the network, the galleries. Without HTTP."""
