//! The vendor's filters: triples of field, operator and value, all of which must hold.

use chrono::{DateTime, Utc};
use edr_core::{Error, ErrorKind, Result};
use serde::Serialize;
use serde_json::{Value, json};

/// Conditions of a request. There is no "all": a request without conditions is made by giving none.
///
/// ```
/// use cortex_xdr::Filters;
/// let filters = Filters::new().one_of("platform", ["windows", "linux"])?.at_least("last_seen", 1_700_000_000_000);
/// assert_eq!(
///     serde_json::to_string(&filters).unwrap(),
///     r#"[{"field":"platform","operator":"in","value":["windows","linux"]},{"field":"last_seen","operator":"gte","value":1700000000000}]"#
/// );
/// assert!(Filters::new().one_of("endpoint_id_list", Vec::<String>::new()).is_err());
/// # Ok::<(), edr_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Filters(Vec<Triple>);

/// One condition.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Triple {
    /// The field, in the request's own name for it.
    pub field: String,
    /// The operator: `in`, `eq`, `gte`, `lte`, `contains`, …
    pub operator: &'static str,
    /// An array for `in`, a scalar for the others.
    pub value: Value,
}

impl Filters {
    /// No conditions.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The field is one of these values. An array is sent even for one value, as the vendor wants it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] for no values: the vendor may take that for everything.
    pub fn one_of<V: Into<Value>>(
        mut self,
        field: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Result<Self> {
        self.push(field, "in", Value::Array(some(field, values)?));
        Ok(self)
    }

    /// The field equals the value.
    #[must_use]
    pub fn equal(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.push(field, "eq", value.into());
        self
    }

    /// The field is none of these values.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] for no values.
    pub fn none_of<V: Into<Value>>(
        mut self,
        field: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Result<Self> {
        self.push(field, "nin", Value::Array(some(field, values)?));
        Ok(self)
    }

    /// The field does not equal the value.
    #[must_use]
    pub fn not_equal(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.push(field, "neq", value.into());
        self
    }

    /// The field contains the value.
    #[must_use]
    pub fn contains(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.push(field, "contains", value.into());
        self
    }

    /// The field is at this time or later.
    #[must_use]
    pub fn from_time(self, field: &str, at: DateTime<Utc>) -> Self {
        self.at_least(field, at.timestamp_millis())
    }

    /// The field is at this time or earlier.
    #[must_use]
    pub fn to_time(self, field: &str, at: DateTime<Utc>) -> Self {
        self.at_most(field, at.timestamp_millis())
    }

    /// The field is at least this number. Of several such conditions the tightest is sent.
    #[must_use]
    pub fn at_least(self, field: &str, value: i64) -> Self {
        self.bound(field, "gte", value, i64::max)
    }

    /// The field is at most this number. Of several such conditions the tightest is sent.
    #[must_use]
    pub fn at_most(self, field: &str, value: i64) -> Self {
        self.bound(field, "lte", value, i64::min)
    }

    /// The conditions.
    #[must_use]
    pub fn triples(&self) -> &[Triple] {
        &self.0
    }

    /// True without conditions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The conditions in the second style; `not_in` is the listing's word for none of several values. `None` without
    /// conditions.
    pub(crate) fn columns(&self, not_in: &str) -> Option<Value> {
        let column = |triple: &Triple| {
            let kind =
                if triple.operator == "nin" { not_in.to_owned() } else { triple.operator.to_uppercase() };
            json!({"SEARCH_FIELD": triple.field, "SEARCH_TYPE": kind, "SEARCH_VALUE": triple.value})
        };
        (!self.0.is_empty()).then(|| json!({"AND": self.0.iter().map(column).collect::<Vec<_>>()}))
    }

    /// True when there is a condition of this sort on the field already.
    pub(crate) fn has(&self, field: &str, operator: &str) -> bool {
        self.0.iter().any(|t| t.field == field && t.operator == operator)
    }

    fn bound(
        mut self,
        field: &str,
        operator: &'static str,
        value: i64,
        tighter: fn(i64, i64) -> i64,
    ) -> Self {
        match self.0.iter_mut().find(|t| t.field == field && t.operator == operator) {
            Some(triple) => {
                triple.value = json!(triple.value.as_i64().map_or(value, |old| tighter(old, value)));
            }
            None => self.push(field, operator, json!(value)),
        }
        self
    }

    fn push(&mut self, field: &str, operator: &'static str, value: Value) {
        self.0.push(Triple { field: field.to_owned(), operator, value });
    }
}

fn some<V: Into<Value>>(field: &str, values: impl IntoIterator<Item = V>) -> Result<Vec<Value>> {
    let values: Vec<Value> = values.into_iter().map(Into::into).collect();
    if values.is_empty() {
        return Err(Error::new(ErrorKind::InvalidRequest, format!("no value is given for {field}"))
            .with_hint("an empty selection is never sent: it could be taken for everything"));
    }
    Ok(values)
}

/// A builder of the filters of one listing: a method a field, named as the vendor names it, with the type
/// that it takes.
macro_rules! filters {
    (@method $(#[$doc:meta])* $name:ident in $field:literal of $kind:ty) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// For no values: an empty selection could be taken for everything.
        pub fn $name<V: Into<$kind>>(self, values: impl IntoIterator<Item = V>) -> edr_core::Result<Self> {
            let values = values.into_iter().map(|value| serde_json::Value::from(value.into()));
            Ok(Self(self.0.one_of($field, values)?))
        }
    };
    (@method $(#[$doc:meta])* $name:ident nin $field:literal of $kind:ty) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// For no values.
        pub fn $name<V: Into<$kind>>(self, values: impl IntoIterator<Item = V>) -> edr_core::Result<Self> {
            let values = values.into_iter().map(|value| serde_json::Value::from(value.into()));
            Ok(Self(self.0.none_of($field, values)?))
        }
    };
    (@method $(#[$doc:meta])* $name:ident eq $field:literal of $kind:ty) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(self, value: impl Into<$kind>) -> Self {
            Self(self.0.equal($field, serde_json::Value::from(value.into())))
        }
    };
    (@method $(#[$doc:meta])* $name:ident contains $field:literal of $kind:ty) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(self, value: impl Into<$kind>) -> Self {
            Self(self.0.contains($field, serde_json::Value::from(value.into())))
        }
    };
    (@method $(#[$doc:meta])* $name:ident gte $field:literal of $kind:ty) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(self, at: $kind) -> Self {
            Self(self.0.from_time($field, at))
        }
    };
    (@method $(#[$doc:meta])* $name:ident lte $field:literal of $kind:ty) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(self, at: $kind) -> Self {
            Self(self.0.to_time($field, at))
        }
    };
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$doc:meta])* $method:ident: $op:ident $field:literal of $kind:ty,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name($crate::Filters);

        impl $name {
            /// No conditions.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }

            $($crate::filter::filters! { @method $(#[$doc])* $method $op $field of $kind })*
        }

        impl From<$name> for $crate::Filters {
            fn from(filters: $name) -> Self {
                filters.0
            }
        }
    };
}

pub(crate) use filters;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_on_one_field_are_joined() {
        let filters = Filters::new().at_least("t", 5).at_most("t", 9).at_least("t", 7).at_most("t", 20);
        let values: Vec<(&str, i64)> =
            filters.triples().iter().map(|t| (t.operator, t.value.as_i64().unwrap())).collect();
        assert_eq!(values, [("gte", 7), ("lte", 9)]);
    }

    #[test]
    fn an_empty_selection_is_refused() {
        let error = Filters::new().one_of("id", Vec::<i64>::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(Filters::new().is_empty());
    }
}
