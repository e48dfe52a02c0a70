"""What each network system refuses in its own objects and configuration, and what it makes of them."""
