//! The plumbing: every request of every vendor goes through here, with retry, pacing, deadlines and redaction.
