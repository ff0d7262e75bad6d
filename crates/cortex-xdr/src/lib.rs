//! A Palo Alto Networks Cortex XDR client: typed, signed, paced, never silent; usable alone or as an EdrProvider.
