//! A CrowdStrike Falcon client: typed, paced, never silent; usable alone or as an EdrProvider.
