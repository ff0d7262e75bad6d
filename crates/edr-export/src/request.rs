//! What is exported, and as what.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Noun {
    /// Alerts.
    Alerts,
    /// Hosts.
    Hosts,
}

impl Noun {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alerts => "alerts",
            Self::Hosts => "hosts",
        }
    }

    /// Its class in OCSF.
    #[must_use]
    pub fn class_uid(self) -> u64 {
        match self {
            Self::Alerts => 2004,
            Self::Hosts => 5001,
        }
    }
}

/// In whose words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Format {
    /// Elastic Common Schema.
    Ecs,
    /// The model's own records.
    Native,
    /// Open Cybersecurity Schema Framework.
    Ocsf,
}

impl Format {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ecs => "ecs",
            Self::Native => "native",
            Self::Ocsf => "ocsf",
        }
    }

    /// The version of its schema.
    #[must_use]
    pub fn version(self) -> &'static str {
        match self {
            Self::Ecs => edr_ocsf::ecs::VERSION,
            // The contract of the records, as `docs/OUTPUT.md` counts it.
            Self::Native => "1",
            Self::Ocsf => edr_ocsf::VERSION,
        }
    }
}

/// In what kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FileFormat {
    /// One JSON object a line.
    #[serde(rename = "jsonl")]
    Jsonl,
    /// The same, compressed with gzip.
    #[serde(rename = "jsonl.gz")]
    JsonlGzip,
    /// Apache Parquet.
    #[cfg(feature = "parquet")]
    #[serde(rename = "parquet")]
    Parquet,
}

impl FileFormat {
    /// The ending of its files.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::JsonlGzip => "jsonl.gz",
            #[cfg(feature = "parquet")]
            Self::Parquet => "parquet",
        }
    }
}

/// What is asked for. Two requests that are equal are one batch: the later replaces the earlier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Request {
    /// What is exported.
    pub noun: Noun,
    /// In whose words.
    pub format: Format,
    /// In what kind of file.
    pub file_format: FileFormat,
    /// The region in the paths: the one of the data lake.
    pub region: String,
    /// The filters, in words; absolute times.
    pub query: Vec<String>,
    /// The tenants that were asked for; empty means all.
    pub tenants: Vec<String>,
    /// Whether the vendor's own JSON is in it.
    pub raw: bool,
    /// An inventory is that of a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
    /// The tenants are simulated: their rows do not belong beside those of real ones.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub demo: bool,
}

impl Request {
    /// Everything of a noun.
    #[must_use]
    pub fn new(noun: Noun, format: Format, file_format: FileFormat, now: DateTime<Utc>) -> Self {
        let day = (noun == Noun::Hosts).then(|| now.format("%Y%m%d").to_string());
        Self {
            noun,
            format,
            file_format,
            region: "local".to_owned(),
            query: Vec::new(),
            tenants: Vec::new(),
            raw: false,
            day,
            demo: false,
        }
    }

    /// The name of the batch: readable, and different for every different request.
    pub(crate) fn batch(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        let digest: String = Sha256::digest(text).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{}-{digest}", self.noun.as_str(), self.format.as_str())
    }

    /// The name of the source in the data lake: one a class, of at most 20 characters.
    pub(crate) fn source(&self) -> String {
        match self.format {
            Format::Ocsf => format!("edr-ocsf-{}", self.noun.class_uid()),
            format => format!("edr-{}-{}", format.as_str(), self.noun.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_what_was_asked_for() {
        let request = |noun| Request::new(noun, Format::Ocsf, FileFormat::Jsonl, DateTime::UNIX_EPOCH);
        let alerts = request(Noun::Alerts);
        assert_eq!(alerts.batch(), request(Noun::Alerts).batch());
        assert!(alerts.batch().starts_with("alerts-ocsf-"), "{}", alerts.batch());
        let mut other = alerts.clone();
        other.query.push("severity >= high".to_owned());
        assert_ne!(alerts.batch(), other.batch());
        assert_eq!((alerts.day, request(Noun::Hosts).day.as_deref()), (None, Some("19700101")));
    }

    #[test]
    fn the_name_of_a_source_is_short_enough_for_the_lake() {
        for noun in [Noun::Alerts, Noun::Hosts] {
            for format in [Format::Ecs, Format::Native, Format::Ocsf] {
                let source = Request::new(noun, format, FileFormat::Jsonl, DateTime::UNIX_EPOCH).source();
                assert!(source.len() <= 20, "{source}");
            }
        }
    }
}
