"""The training-only latent diffusion branch (Eq. 6–17)."""
