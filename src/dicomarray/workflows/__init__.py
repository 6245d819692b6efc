"""The conversions as a user asks for them: choose, read, convert, write, check."""
