//! The facade: every tenant of both vendors as one estate, with a typed outcome for each.
