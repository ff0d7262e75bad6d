//! The columns of each class: fixed here, so that every file of a class has the same.
//!
//! A name with dots lies in groups, as `device.os.name` does in the event. Lists, and what a class does not fix, are JSON in a
//! text. One column of each class takes what has no column of its own, so that nothing is lost.

use edr_ocsf::ecs::{FIELDS, FieldType};

use crate::{Format, Noun};

/// What a column holds. Every value may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Double,
    /// JSON in a text.
    Json,
    Long,
    Text,
    /// A time, in microseconds since 1970, from RFC 3339.
    Time,
}

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

impl Column {
    pub(crate) fn parts(self) -> Vec<&'static str> {
        self.name.split('.').collect()
    }
}

/// The columns of a class, in the order of their paths.
pub(crate) fn of(noun: Noun, format: Format) -> Vec<Column> {
    let mut columns = match (format, noun) {
        (Format::Ecs, noun) => ecs(noun),
        (Format::Native, Noun::Alerts) => parse(&[NATIVE, NATIVE_ALERT]),
        (Format::Native, Noun::Hosts) => parse(&[NATIVE, NATIVE_HOST]),
        (Format::Ocsf, Noun::Alerts) => parse(&[OCSF, DEVICE, OCSF_ALERT]),
        (Format::Ocsf, Noun::Hosts) => parse(&[OCSF, DEVICE]),
    };
    columns.sort_by_key(|column| column.parts());
    columns
}

/// The column that takes what has none.
pub(crate) fn rest(format: Format) -> &'static str {
    match format {
        Format::Ecs => "edr.rest",
        Format::Native => "rest",
        Format::Ocsf => "unmapped",
    }
}

/// The column by whose values the rows are sorted, whatever they are: it has every row's time, to the millisecond, as the
/// rows are sorted. Columns of times that a row has in words may be finer than that, or empty.
pub(crate) fn time(format: Format) -> Option<&'static str> {
    match format {
        Format::Ecs | Format::Native => None,
        Format::Ocsf => Some("time"),
    }
}

fn ecs(noun: Noun) -> Vec<Column> {
    let has = |field: &&edr_ocsf::ecs::Field| match noun {
        Noun::Alerts => field.of_alerts,
        Noun::Hosts => field.of_hosts,
    };
    let kind = |kind| match kind {
        FieldType::Boolean => Kind::Boolean,
        FieldType::Date => Kind::Time,
        FieldType::Float => Kind::Double,
        FieldType::Ip | FieldType::Keyword | FieldType::Text => Kind::Text,
        FieldType::Ips | FieldType::Keywords => Kind::Json,
        FieldType::Long => Kind::Long,
    };
    let own = FIELDS.iter().filter(has).map(|field| Column { name: field.name, kind: kind(field.kind) });
    own.chain([Column { name: rest(Format::Ecs), kind: Kind::Json }]).collect()
}

/// Lists of lines `kind: name name …`.
fn parse(lists: &[&'static str]) -> Vec<Column> {
    let line = |line: &'static str| {
        let (word, names) = line.split_once(':').unwrap_or((line, ""));
        let kind = match word.trim() {
            "boolean" => Kind::Boolean,
            "double" => Kind::Double,
            "json" => Kind::Json,
            "long" => Kind::Long,
            "time" => Kind::Time,
            _ => Kind::Text,
        };
        names.split_whitespace().map(move |name| Column { name, kind })
    };
    lists.iter().flat_map(|list| list.lines()).flat_map(line).collect()
}

/// What the events of both classes have.
const OCSF: &str = "\
long: activity_id category_uid class_uid severity_id time type_uid
text: activity_name category_name class_name severity type_name raw_data
text: metadata.uid metadata.version metadata.tenant_uid metadata.product.name metadata.product.vendor_name
text: metadata.product.feature.name
text: cloud.account.uid cloud.provider cloud.region cloud.zone
json: metadata.labels metadata.profiles observables unmapped";

const DEVICE: &str = "\
text: device.uid device.hostname device.name device.ip device.instance_uid device.type device.domain device.vendor_name
text: device.model device.region device.zone device.owner.name device.owner.email_addr
text: device.os.name device.os.type device.os.version device.os.build device.os.kernel_release
text: device.hw_info.serial_number device.hw_info.uuid device.hw_info.bios_manufacturer device.hw_info.bios_ver
text: device.hw_info.chassis
long: device.type_id device.os.type_id device.risk_score device.first_seen_time device.last_seen_time
long: device.modified_time device.boot_time device.created_time
json: device.network_interfaces device.agent_list device.groups";

const OCSF_ALERT: &str = "\
boolean: is_alert
long: status_id action_id disposition_id verdict_id confidence_score
text: message status action disposition verdict src_url comment
text: assignee.name assignee.uid assignee.domain assignee.email_addr assignee.type
long: assignee.type_id finding_info.analytic.type_id
text: finding_info.uid finding_info.uid_alt finding_info.title finding_info.desc finding_info.src_url
text: finding_info.analytic.uid finding_info.analytic.name finding_info.analytic.type
long: finding_info.created_time finding_info.modified_time finding_info.first_seen_time finding_info.last_seen_time
json: finding_info.types finding_info.data_sources finding_info.attacks finding_info.related_events evidences";

const NATIVE: &str = "\
text: tenant vendor uid tenant_uid console_url
json: rest raw";

const NATIVE_HOST: &str = "\
text: hostname name domain site type os.type os.name os.version os.build os.kernel serial_number manufacturer model
text: ip external_ip agent.version agent.content_version agent.health connection_state containment_state owner_email
text: last_user.name last_user.domain last_user.uid last_user.email cloud.provider cloud.account cloud.region cloud.zone
text: cloud.instance_uid criticality
boolean: is_hidden is_vdi
time: contained_time first_seen last_seen modified boot_time installed last_login
json: network_interfaces policies groups tags users ou roles";

const NATIVE_ALERT: &str = "\
text: uid_alt title desc severity status verdict action disposition product_feature
text: assignee.name assignee.email assignee.uid analytic.type analytic.uid analytic.name
text: device.uid device.hostname device.domain device.type device.os.type device.os.name device.ip
boolean: is_suppressed prevented would_prevent
long: confidence_score
time: time created_time modified_time first_seen last_seen
json: source_vendors types attacks users evidences iocs group_keys case_uids labels comments";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_column_is_there_twice_or_is_a_group_as_well() {
        for noun in [Noun::Alerts, Noun::Hosts] {
            for format in [Format::Ecs, Format::Native, Format::Ocsf] {
                let columns = of(noun, format);
                let names: BTreeSet<&str> = columns.iter().map(|c| c.name).collect();
                assert_eq!(names.len(), columns.len(), "{noun:?} {format:?}");
                assert!(names.contains(rest(format)), "{noun:?} {format:?}");
                assert!(time(format).is_none_or(|time| names.contains(time)));
                for name in &names {
                    let mut above = name.match_indices('.').map(|(at, _)| &name[..at]);
                    assert!(above.all(|group| !names.contains(group)), "{name}");
                }
            }
        }
    }
}
