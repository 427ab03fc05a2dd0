"""Behind the Latent space page."""
