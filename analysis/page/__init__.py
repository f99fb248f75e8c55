"""Pages: their parts as plain data, figures among them, and how they become one HTML file."""
