//! Writes JSON objects straight into a buffer, computing only the fields that were asked for.

use serde::Serialize;

use super::envelope::write_json;

/// An object in the making.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    only: Option<&'a [String]>,
    first: bool,
}

impl<'a> Object<'a> {
    /// Begins an object; with `only`, other fields are left out, the ids among them.
    pub(crate) fn begin(out: &'a mut Vec<u8>, only: Option<&'a [String]>) -> Self {
        out.push(b'{');
        Self { out, only, first: true }
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        let named = |only: &[String]| only.iter().any(|f| f == name || f.split('.').next() == Some(name));
        self.only.is_none_or(named)
    }

    fn key(&mut self, name: &str) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// A field.
    pub(crate) fn put(&mut self, name: &str, value: impl Serialize) -> &mut Self {
        if self.wants(name) {
            self.key(name);
            write_json(self.out, &value);
        }
        self
    }

    /// A field that is missing when there is no value.
    pub(crate) fn maybe(&mut self, name: &str, value: Option<impl Serialize>) -> &mut Self {
        if let Some(value) = value {
            self.put(name, value);
        }
        self
    }

    /// A field that is a list, whose items `fill` writes.
    pub(crate) fn list(&mut self, name: &str, fill: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        if self.wants(name) {
            self.key(name);
            self.out.push(b'[');
            fill(self.out);
            self.out.push(b']');
        }
        self
    }

    /// A field that is an object.
    pub(crate) fn object(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_>)) -> &mut Self {
        if self.wants(name) {
            self.key(name);
            let mut inner = Object::begin(self.out, None);
            fill(&mut inner);
            inner.end();
        }
        self
    }
}

/// Joins items with commas.
pub(crate) fn items<T>(list: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Vec<u8>, T)) -> Vec<u8> {
    let mut out = Vec::new();
    for item in list {
        if !out.is_empty() {
            out.push(b',');
        }
        write(&mut out, item);
    }
    out
}
