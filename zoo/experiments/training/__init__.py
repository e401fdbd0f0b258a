"""One run in memory: initial weights, learning rate, one optimiser step on each backend, the loop round them."""
