//! The conformance suite: what every EdrProvider promises, as public async functions.
