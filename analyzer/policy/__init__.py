"""What policies mean, apart from what a node does about them."""
