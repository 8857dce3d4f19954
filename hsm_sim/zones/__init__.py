"""Keys that two link partners share, and how they change them over the link itself: pure, the same on both sides."""
