//! Exclusions: what the machine learning, the indicators of attack and the sensor itself pass over. Scopes "ML
//! Exclusions", "IOA Exclusions" and "Sensor Visibility Exclusions".
//!
//! A hidden path is a blind spot: keep exclusions narrow, and name groups rather than [`ALL_HOSTS`].

use edr_http::RequestPlan;
use serde::de::DeserializeOwned;
use serde::{Deserializer, Serialize};

use super::{Endpoint, ListParams, Paging, Verb};
use crate::Identified;
use crate::time::Timestamp;
use crate::wire::{Field, wire};
use crate::words::words;

/// In the place of groups: every host.
pub const ALL_HOSTS: &str = "all";
/// The most ids in one call; the URL is the limit, and no other is published.
pub const MAX_IDS: usize = 100;

/// The endpoints of a kind of exclusion.
#[derive(Debug)]
#[non_exhaustive]
pub struct ExclusionEndpoints {
    /// Ids.
    pub query: Endpoint,
    /// Exclusions by id.
    pub entities: Endpoint,
    /// Makes one.
    pub create: Endpoint,
    /// Changes one.
    pub update: Endpoint,
    /// Deletes some.
    pub delete: Endpoint,
}

macro_rules! exclusion_endpoints {
    ($scope:literal, $path:literal, $name:literal, $create:literal, $query:expr) => {
        ExclusionEndpoints {
            query: Endpoint::read(
                concat!("query", $name, "ExclusionsV1"),
                Verb::Get,
                concat!("/policy/queries/", $path, "/v1"),
                concat!($scope, ": read"),
            )
            .pages(Paging::Offset { cap: None }, 500)
            .query($query),
            entities: Endpoint::read(
                concat!("get", $name, "ExclusionsV1"),
                Verb::Get,
                concat!("/policy/entities/", $path, "/v1"),
                concat!($scope, ": read"),
            )
            .ids(MAX_IDS as u32)
            .query(&["ids"]),
            create: Endpoint::write(
                concat!("create", $create, "ExclusionsV1"),
                Verb::Post,
                concat!("/policy/entities/", $path, "/v1"),
                concat!($scope, ": write"),
            ),
            update: Endpoint::repeatable(
                concat!("update", $name, "ExclusionsV1"),
                Verb::Patch,
                concat!("/policy/entities/", $path, "/v1"),
                concat!($scope, ": write"),
            ),
            delete: Endpoint::write(
                concat!("delete", $name, "ExclusionsV1"),
                Verb::Delete,
                concat!("/policy/entities/", $path, "/v1"),
                concat!($scope, ": write"),
            )
            .ids(MAX_IDS as u32)
            .query(&["comment", "ids"]),
        }
    };
}

/// Exclusions from indicators of attack.
pub static IOA: ExclusionEndpoints = exclusion_endpoints!(
    "IOA Exclusions",
    "ioa-exclusions",
    "IOA",
    "IOA",
    &["filter", "limit", "offset", "sort"]
);
/// Exclusions from machine learning. Their order is written with a dot alone.
pub static ML: ExclusionEndpoints = exclusion_endpoints!(
    "ML Exclusions",
    "ml-exclusions",
    "ML",
    "ML",
    &["filter", "limit", "offset", "sort"]
);
/// Exclusions from what the sensor sees.
pub static SENSOR_VISIBILITY: ExclusionEndpoints = exclusion_endpoints!(
    "Sensor Visibility Exclusions",
    "sv-exclusions",
    "SensorVisibility",
    "SV",
    &["filter", "limit", "offset", "sort"]
);

const fn all(of: &'static ExclusionEndpoints) -> [&'static Endpoint; 5] {
    [&of.query, &of.entities, &of.create, &of.update, &of.delete]
}

pub(crate) const IOA_ENDPOINTS: &[&Endpoint] = &all(&IOA);
pub(crate) const ML_ENDPOINTS: &[&Endpoint] = &all(&ML);
pub(crate) const SENSOR_ENDPOINTS: &[&Endpoint] = &all(&SENSOR_VISIBILITY);

/// A kind of exclusion: [`Ioa`], [`Ml`] or [`SensorVisibility`].
pub trait ExclusionKind: sealed::Sealed {
    /// An exclusion as it is read.
    type Exclusion: DeserializeOwned + Identified + Clone + std::fmt::Debug + Send + 'static;
    /// What can be set of it.
    type Body: Serialize + Clone + std::fmt::Debug + Send + Sync;
    /// Where it stands.
    fn endpoints() -> &'static ExclusionEndpoints;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Ioa {}
    impl Sealed for super::Ml {}
    impl Sealed for super::SensorVisibility {}
}

/// From indicators of attack.
#[derive(Clone, Copy, Debug)]
pub enum Ioa {}
/// From machine learning.
#[derive(Clone, Copy, Debug)]
pub enum Ml {}
/// From what the sensor sees.
#[derive(Clone, Copy, Debug)]
pub enum SensorVisibility {}

impl ExclusionKind for Ioa {
    type Exclusion = IoaExclusion;
    type Body = IoaBody;
    fn endpoints() -> &'static ExclusionEndpoints {
        &IOA
    }
}

impl ExclusionKind for Ml {
    type Exclusion = PathExclusion;
    type Body = MlBody;
    fn endpoints() -> &'static ExclusionEndpoints {
        &ML
    }
}

impl ExclusionKind for SensorVisibility {
    type Exclusion = PathExclusion;
    type Body = SensorVisibilityBody;
    fn endpoints() -> &'static ExclusionEndpoints {
        &SENSOR_VISIBILITY
    }
}

words! {
    /// What an exclusion from machine learning is for.
    pub enum ExcludedFrom {
        /// Files are not blocked and not told.
        Blocking = "blocking",
        /// Files are not sent to the cloud.
        Extraction = "extraction",
    }
}

/// What can be set of an exclusion, where what is absent stays in a change.
macro_rules! body {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$doc:meta])* $field:ident: $ty:ty,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct $name {
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$ty>,)+
        }
    };
}

body! {
    /// An exclusion from indicators of attack.
    pub struct IoaBody {
        /// Command lines, as a regular expression.
        cl_regex: String,
        /// For the audit log.
        comment: String,
        /// Why it is there.
        description: String,
        /// The detection that it was made from, as JSON.
        detection_json: String,
        /// Groups of hosts, or [`ALL_HOSTS`].
        groups: Vec<String>,
        /// Paths of images, as a regular expression.
        ifn_regex: String,
        /// Its name.
        name: String,
        /// The pattern that is passed over.
        pattern_id: String,
        /// The pattern's name.
        pattern_name: String,
    }
}

body! {
    /// An exclusion from machine learning.
    pub struct MlBody {
        /// For the audit log.
        comment: String,
        /// What it is for; cannot be changed.
        excluded_from: Vec<ExcludedFrom>,
        /// Groups of hosts, or [`ALL_HOSTS`].
        groups: Vec<String>,
        /// Paths, as a glob.
        value: String,
    }
}

body! {
    /// An exclusion from what the sensor sees.
    pub struct SensorVisibilityBody {
        /// For the audit log.
        comment: String,
        /// Groups of hosts, or [`ALL_HOSTS`].
        groups: Vec<String>,
        /// Whether it is true of processes that these start, too.
        is_descendant_process: bool,
        /// Paths, as a glob.
        value: String,
    }
}

/// A page of ids of a kind.
#[must_use]
pub fn query<K: ExclusionKind>(params: &ListParams) -> RequestPlan {
    params.plan(&K::endpoints().query)
}

/// Exclusions of a kind by id, at most [`MAX_IDS`].
#[must_use]
pub fn entities<K: ExclusionKind, S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    K::endpoints().entities.by_query("ids", ids)
}

/// Makes an exclusion.
#[must_use]
pub fn create<K: ExclusionKind>(body: &K::Body) -> RequestPlan {
    K::endpoints().create.json(body)
}

/// Changes an exclusion.
#[must_use]
pub fn update<K: ExclusionKind>(id: &str, body: &K::Body) -> RequestPlan {
    #[derive(Serialize)]
    struct Change<'a, B> {
        id: &'a str,
        #[serde(flatten)]
        body: &'a B,
    }
    K::endpoints().update.json(&Change { id, body })
}

/// Deletes exclusions, at most [`MAX_IDS`].
#[must_use]
pub fn delete<K: ExclusionKind, S: AsRef<str>>(ids: &[S], comment: Option<&str>) -> RequestPlan {
    K::endpoints().delete.by_query("ids", ids).maybe("comment", comment)
}

/// The groups of an exclusion, by id: a service gives ids in some answers and whole groups in others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupIds(pub Vec<String>);

wire! {
    /// A group as it stands in an exclusion.
    pub struct ExclusionGroup { id: Option<String>, }
}

impl<'de> Field<'de> for GroupIds {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let ids = <Vec<Either> as serde::Deserialize>::deserialize(d).unwrap_or_default();
        Ok(Self(ids.into_iter().filter_map(|either| either.0).collect()))
    }
}

/// An id, or a group that has one.
struct Either(Option<String>);

impl<'de> serde::Deserialize<'de> for Either {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> serde::de::Visitor<'de> for V {
            type Value = Either;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a group or its id")
            }
            fn visit_str<E>(self, id: &str) -> Result<Either, E> {
                Ok(Either(Some(id.to_owned())))
            }
            fn visit_unit<E>(self) -> Result<Either, E> {
                Ok(Either(None))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Either, A::Error> {
                <ExclusionGroup as crate::wire::Object>::read(map).map(|group| Either(group.id))
            }
        }
        d.deserialize_any(V)
    }
}

wire! {
    /// An exclusion from indicators of attack.
    pub struct IoaExclusion {
        applied_globally: Option<bool>,
        cl_regex: Option<String>,
        created_by: Option<String>,
        created_on: Option<Timestamp>,
        description: Option<String>,
        detection_json: Option<String>,
        groups: GroupIds,
        id: Option<String>,
        ifn_regex: Option<String>,
        last_modified: Option<Timestamp>,
        modified_by: Option<String>,
        name: Option<String>,
        pattern_id: Option<String>,
        pattern_name: Option<String>,
    }
}

wire! {
    /// An exclusion of paths, from machine learning or from what the sensor sees.
    pub struct PathExclusion {
        applied_globally: Option<bool>,
        created_by: Option<String>,
        created_on: Option<Timestamp>,
        excluded_from: Vec<ExcludedFrom>,
        groups: GroupIds,
        id: Option<String>,
        is_descendant_process: Option<bool>,
        last_modified: Option<Timestamp>,
        modified_by: Option<String>,
        regexp_value: Option<String>,
        value: Option<String>,
        value_hash: Option<String>,
    }
}
