"""What taking activations out of a net asks of it: which sites, how linear, and what stands next to what."""
