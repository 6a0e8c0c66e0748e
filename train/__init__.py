"""Training: simulated walkers, packs, the network, the diffusion branch, the loop."""
