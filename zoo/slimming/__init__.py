"""What surgery on a trained net asks of it: which sites, on which axis, how linear, and what stands next to what."""
