"""Building: the outside tools, and what they make of generated RTL."""
