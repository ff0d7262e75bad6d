//! Prevention, sensor update and response policies: one set of verbs for three kinds.
//! Scopes "Prevention policies", "Sensor update policies" and "Response policies".

use edr_http::RequestPlan;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::common::{Resources, action};
use super::host_groups::HostGroup;
use super::{ActionParameter, Endpoint, ListParams, Paging, Verb};
use crate::Identified;
use crate::time::Timestamp;
use crate::wire::{Secret, wire};
use crate::words::words;

const LISTING: &[&str] = &["filter", "limit", "offset", "sort"];
const MEMBERS_OF: &[&str] = &["filter", "id", "limit", "offset", "sort"];
const UNCAPPED: Paging = Paging::Offset { cap: None };
const UPDATE_READ: &str = "Sensor update policies: read";
const UPDATE_WRITE: &str = "Sensor update policies: write";

/// The most policies by id in one call; the URL is the limit, and no other is published.
pub const MAX_IDS: usize = 100;

/// The endpoints of one kind of policy.
#[derive(Debug)]
#[non_exhaustive]
pub struct PolicyEndpoints {
    /// Whole policies.
    pub combined: Endpoint,
    /// Ids of policies.
    pub query: Endpoint,
    /// The devices that a policy is meant for.
    pub members: Endpoint,
    /// Their ids.
    pub member_ids: Endpoint,
    /// Policies by id.
    pub entities: Endpoint,
    /// Makes policies.
    pub create: Endpoint,
    /// Changes policies.
    pub update: Endpoint,
    /// Deletes policies that are disabled.
    pub delete: Endpoint,
    /// Enables and disables policies, and gives them groups; twice is once.
    pub actions: Endpoint,
    /// Puts the policies of a platform in order; twice is once.
    pub precedence: Endpoint,
}

/// The endpoints of a kind: its scope, its word in paths, its word in operations, and the version of the
/// calls that carry whole policies.
macro_rules! policy_endpoints {
    ($scope:literal, $path:literal, $name:literal, $version:literal, $suffix:literal) => {
        PolicyEndpoints {
            combined: Endpoint::read(
                concat!("queryCombined", $name, "Policies", $suffix),
                Verb::Get,
                concat!("/policy/combined/", $path, "/", $version),
                concat!($scope, ": read"),
            )
            .pages(UNCAPPED, 5_000)
            .query(LISTING),
            query: Endpoint::read(
                concat!("query", $name, "Policies"),
                Verb::Get,
                concat!("/policy/queries/", $path, "/v1"),
                concat!($scope, ": read"),
            )
            .pages(UNCAPPED, 5_000)
            .query(LISTING),
            members: Endpoint::read(
                concat!("queryCombined", $name, "PolicyMembers"),
                Verb::Get,
                concat!("/policy/combined/", $path, "-members/v1"),
                concat!($scope, ": read"),
            )
            .pages(UNCAPPED, 5_000)
            .query(MEMBERS_OF),
            member_ids: Endpoint::read(
                concat!("query", $name, "PolicyMembers"),
                Verb::Get,
                concat!("/policy/queries/", $path, "-members/v1"),
                concat!($scope, ": read"),
            )
            .pages(UNCAPPED, 5_000)
            .query(MEMBERS_OF),
            entities: Endpoint::read(
                concat!("get", $name, "Policies", $suffix),
                Verb::Get,
                concat!("/policy/entities/", $path, "/", $version),
                concat!($scope, ": read"),
            )
            .ids(MAX_IDS as u32)
            .query(&["ids"]),
            create: Endpoint::write(
                concat!("create", $name, "Policies", $suffix),
                Verb::Post,
                concat!("/policy/entities/", $path, "/", $version),
                concat!($scope, ": write"),
            ),
            update: Endpoint::repeatable(
                concat!("update", $name, "Policies", $suffix),
                Verb::Patch,
                concat!("/policy/entities/", $path, "/", $version),
                concat!($scope, ": write"),
            ),
            delete: Endpoint::write(
                concat!("delete", $name, "Policies"),
                Verb::Delete,
                concat!("/policy/entities/", $path, "/v1"),
                concat!($scope, ": write"),
            )
            .ids(MAX_IDS as u32)
            .query(&["ids"]),
            actions: Endpoint::repeatable(
                concat!("perform", $name, "PoliciesAction"),
                Verb::Post,
                concat!("/policy/entities/", $path, "-actions/v1"),
                concat!($scope, ": write"),
            )
            .ids(MAX_IDS as u32)
            .query(&["action_name"])
            .actions(&[
                "add-host-group",
                "add-rule-group",
                "disable",
                "enable",
                "remove-host-group",
                "remove-rule-group",
            ]),
            precedence: Endpoint::repeatable(
                concat!("set", $name, "PoliciesPrecedence"),
                Verb::Post,
                concat!("/policy/entities/", $path, "-precedence/v1"),
                concat!($scope, ": write"),
            ),
        }
    };
}

/// Prevention policies.
pub static PREVENTION: PolicyEndpoints =
    policy_endpoints!("Prevention policies", "prevention", "Prevention", "v1", "");
/// Response policies.
pub static RESPONSE: PolicyEndpoints =
    policy_endpoints!("Response policies", "response", "RTResponse", "v1", "");
/// Sensor update policies.
pub static SENSOR_UPDATE: PolicyEndpoints =
    policy_endpoints!("Sensor update policies", "sensor-update", "SensorUpdate", "v2", "V2");

/// The builds of the sensor that there are.
pub static BUILDS: Endpoint = Endpoint::read(
    "queryCombinedSensorUpdateBuilds",
    Verb::Get,
    "/policy/combined/sensor-update-builds/v1",
    UPDATE_READ,
)
.query(&["platform", "stage"]);
/// The Linux kernels that builds support.
pub static KERNELS: Endpoint = Endpoint::read(
    "queryCombinedSensorUpdateKernels",
    Verb::Get,
    "/policy/combined/sensor-update-kernels/v1",
    UPDATE_READ,
)
.pages(UNCAPPED, 500)
.query(&["filter", "limit", "offset"]);
/// Shows what uninstalls a sensor. It writes to the audit log and needs the scope to write.
pub static UNINSTALL_TOKEN: Endpoint = Endpoint::write(
    "revealUninstallToken",
    Verb::Post,
    "/policy/combined/reveal-uninstall-token/v1",
    UPDATE_WRITE,
);

/// The ten endpoints of a kind.
const fn all(of: &'static PolicyEndpoints) -> [&'static Endpoint; 10] {
    [
        &of.combined,
        &of.query,
        &of.members,
        &of.member_ids,
        &of.entities,
        &of.create,
        &of.update,
        &of.delete,
        &of.actions,
        &of.precedence,
    ]
}

pub(crate) const PREVENTION_ENDPOINTS: &[&Endpoint] = &all(&PREVENTION);
pub(crate) const RESPONSE_ENDPOINTS: &[&Endpoint] = &all(&RESPONSE);
pub(crate) const SENSOR_UPDATE_ENDPOINTS: &[&Endpoint] = &all(&SENSOR_UPDATE);
pub(crate) const FURTHER_ENDPOINTS: &[&Endpoint] = &[&BUILDS, &KERNELS, &UNINSTALL_TOKEN];

/// A kind of policy: [`Prevention`], [`SensorUpdate`] or [`Response`].
pub trait PolicyKind: sealed::Sealed {
    /// A policy as it is read.
    type Policy: serde::de::DeserializeOwned + Identified + Clone + std::fmt::Debug + Send + 'static;
    /// What can be set of it.
    type Settings: Serialize + Clone + std::fmt::Debug;
    /// Where it stands.
    fn endpoints() -> &'static PolicyEndpoints;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Prevention {}
    impl Sealed for super::Response {}
    impl Sealed for super::SensorUpdate {}
}

/// Prevention policies.
#[derive(Clone, Copy, Debug)]
pub enum Prevention {}
/// Response policies.
#[derive(Clone, Copy, Debug)]
pub enum Response {}
/// Sensor update policies, version 2.
#[derive(Clone, Copy, Debug)]
pub enum SensorUpdate {}

impl PolicyKind for Prevention {
    type Policy = PreventionPolicy;
    type Settings = Vec<SettingChange>;
    fn endpoints() -> &'static PolicyEndpoints {
        &PREVENTION
    }
}

impl PolicyKind for Response {
    type Policy = ResponsePolicy;
    type Settings = Vec<SettingChange>;
    fn endpoints() -> &'static PolicyEndpoints {
        &RESPONSE
    }
}

impl PolicyKind for SensorUpdate {
    type Policy = SensorUpdatePolicy;
    type Settings = SensorUpdateSettings;
    fn endpoints() -> &'static PolicyEndpoints {
        &SENSOR_UPDATE
    }
}

words! {
    /// The platform of a policy.
    pub enum PolicyPlatform {
        /// Linux.
        Linux = "Linux",
        /// macOS.
        Mac = "Mac",
        /// Windows.
        Windows = "Windows",
    }
}

words! {
    /// What a setting of a policy is.
    pub enum SettingKind {
        /// A slider for detection and one for prevention.
        Slider = "mlslider",
        /// On or off.
        Toggle = "toggle",
    }
}

words! {
    /// Where a slider stands.
    pub enum SliderLevel {
        /// Next to strongest.
        Aggressive = "AGGRESSIVE",
        /// Weakest.
        Cautious = "CAUTIOUS",
        /// Off.
        Disabled = "DISABLED",
        /// Strongest.
        ExtraAggressive = "EXTRA_AGGRESSIVE",
        /// Between.
        Moderate = "MODERATE",
    }
}

/// A setting to be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingChange {
    /// The setting.
    pub id: String,
    /// Its value.
    pub value: NewValue,
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NewValue {
    /// Two sliders.
    Slider {
        /// From where on it is told.
        detection: SliderLevel,
        /// From where on it is stopped.
        prevention: SliderLevel,
    },
    /// On or off.
    Toggle(bool),
}

impl Serialize for NewValue {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        match self {
            Self::Slider { detection, prevention } => {
                map.serialize_entry("detection", detection)?;
                map.serialize_entry("prevention", prevention)?;
            }
            Self::Toggle(on) => map.serialize_entry("enabled", on)?,
        }
        map.end()
    }
}

words! {
    /// Whether a sensor can be uninstalled.
    pub enum UninstallProtection {
        /// It can.
        Disabled = "DISABLED",
        /// It needs a token.
        Enabled = "ENABLED",
        /// The policy says nothing.
        Ignore = "IGNORE",
        /// It needs the token of all hosts.
        MaintenanceMode = "MAINTENANCE_MODE",
        /// Falcon does not know.
        Unknown = "UNKNOWN",
    }
}

/// When sensors may be updated. The service wants a time zone even where it is off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewScheduler {
    /// Whether the schedules hold.
    pub enabled: bool,
    /// The spans in which nothing is updated.
    pub schedules: Vec<NewSchedule>,
    /// The time zone, such as `Etc/UTC`.
    pub timezone: String,
}

impl Default for NewScheduler {
    fn default() -> Self {
        Self { enabled: false, schedules: Vec::new(), timezone: "Etc/UTC".to_owned() }
    }
}

/// A span of some days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NewSchedule {
    /// The days, from 0 for Sunday.
    pub days: Vec<u8>,
    /// Its end, `HH:MM`.
    pub end: String,
    /// Its begin, `HH:MM`.
    pub start: String,
}

/// A build for one platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NewBuild {
    /// The build: its number alone, such as `17407`, or one with a tag, such as `18904|n|tagged|11`.
    pub build: String,
    /// The platform, in the words of the builds.
    pub platform: String,
}

/// What can be set of a sensor update policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SensorUpdateSettings {
    /// The build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// When sensors may be updated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<NewScheduler>,
    /// Whether builds for early adopters are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub show_early_adopter_builds: Option<bool>,
    /// Whether sensors can be uninstalled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uninstall_protection: Option<UninstallProtection>,
    /// Builds of further platforms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variants: Option<Vec<NewBuild>>,
}

/// A policy to be made. It is disabled, and has no groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewPolicy<S> {
    /// A policy to begin from; not for sensor update policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clone_id: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its name, one of its kind.
    pub name: String,
    /// Its platform.
    pub platform_name: PolicyPlatform,
    /// What is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<S>,
}

impl<S> NewPolicy<S> {
    /// A policy with a name.
    #[must_use]
    pub fn new(name: &str, platform: PolicyPlatform) -> Self {
        Self {
            clone_id: None,
            description: None,
            name: name.to_owned(),
            platform_name: platform,
            settings: None,
        }
    }

    /// With settings.
    #[must_use]
    pub fn settings(mut self, settings: S) -> Self {
        self.settings = Some(settings);
        self
    }
}

/// A change of a policy; what is absent stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyChange<S> {
    /// The policy.
    pub id: String,
    /// Another description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<S>,
}

impl<S> PolicyChange<S> {
    /// A change of a policy.
    #[must_use]
    pub fn of(id: &str) -> Self {
        Self { id: id.to_owned(), description: None, name: None, settings: None }
    }
}

/// What is done with policies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyAction {
    /// They apply to a group of hosts.
    AddHostGroup(String),
    /// They get a group of custom rules.
    AddRuleGroup(String),
    /// They apply to nobody.
    Disable,
    /// They apply to their groups.
    Enable,
    /// They no longer apply to a group of hosts.
    RemoveHostGroup(String),
    /// They lose a group of custom rules.
    RemoveRuleGroup(String),
}

impl PolicyAction {
    /// The action as the API has it: its name, and the group.
    #[must_use]
    pub fn parts(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::AddHostGroup(id) => ("add-host-group", Some(id)),
            Self::AddRuleGroup(id) => ("add-rule-group", Some(id)),
            Self::Disable => ("disable", None),
            Self::Enable => ("enable", None),
            Self::RemoveHostGroup(id) => ("remove-host-group", Some(id)),
            Self::RemoveRuleGroup(id) => ("remove-rule-group", Some(id)),
        }
    }
}

/// A page of whole policies. Those of a Flight Control parent have its children's among them.
#[must_use]
pub fn combined<P: PolicyKind>(params: &ListParams) -> RequestPlan {
    params.plan(&P::endpoints().combined)
}

/// A page of ids of policies.
#[must_use]
pub fn query<P: PolicyKind>(params: &ListParams) -> RequestPlan {
    params.plan(&P::endpoints().query)
}

/// A page of the devices that a policy is meant for.
#[must_use]
pub fn members<P: PolicyKind>(policy: &str, params: &ListParams) -> RequestPlan {
    params.plan(&P::endpoints().members).query("id", policy)
}

/// A page of their ids.
#[must_use]
pub fn member_ids<P: PolicyKind>(policy: &str, params: &ListParams) -> RequestPlan {
    params.plan(&P::endpoints().member_ids).query("id", policy)
}

/// Policies by id, at most [`MAX_IDS`].
#[must_use]
pub fn entities<P: PolicyKind, S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    P::endpoints().entities.by_query("ids", ids)
}

/// Makes policies.
#[must_use]
pub fn create<P: PolicyKind>(new: &[NewPolicy<P::Settings>]) -> RequestPlan {
    P::endpoints().create.json(&Resources { resources: new })
}

/// Changes policies.
#[must_use]
pub fn update<P: PolicyKind>(changes: &[PolicyChange<P::Settings>]) -> RequestPlan {
    P::endpoints().update.json(&Resources { resources: changes })
}

/// Deletes policies, at most [`MAX_IDS`]; one that is enabled is refused (400).
#[must_use]
pub fn delete<P: PolicyKind, S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    P::endpoints().delete.by_query("ids", ids)
}

/// Does something with policies, at most [`MAX_IDS`].
#[must_use]
pub fn perform<P: PolicyKind, S: AsRef<str>>(what: &PolicyAction, ids: &[S]) -> RequestPlan {
    let (name, group) = what.parts();
    let parameters: Vec<_> = group.map(|id| ActionParameter::new("group_id", id)).into_iter().collect();
    action(&P::endpoints().actions, name, ids, &parameters)
}

/// Puts the policies of a platform in order, the strongest first: all of them but the default one, and
/// of the caller's own customer id alone. The service refuses a list that is not complete.
#[must_use]
pub fn precedence<P: PolicyKind, S: AsRef<str>>(platform: &PolicyPlatform, ids: &[S]) -> RequestPlan {
    #[derive(Serialize)]
    struct Order<'a> {
        ids: Vec<&'a str>,
        platform_name: &'a PolicyPlatform,
    }
    let ids = ids.iter().map(AsRef::as_ref).collect();
    P::endpoints().precedence.json(&Order { ids, platform_name: platform })
}

words! {
    /// How well a build has been tried.
    pub enum BuildStage {
        /// For those who want it early.
        EarlyAdopter = "early_adopter",
        /// For all.
        Production = "prod",
    }
}

/// The builds for a platform (`windows`, `mac`, `linux`, `linuxarm64`, `zlinux`) and of stages; of all when
/// none is named.
#[must_use]
pub fn builds(platform: Option<&str>, stages: &[BuildStage]) -> RequestPlan {
    let plan = BUILDS.plan().maybe("platform", platform);
    stages.iter().fold(plan, |plan, stage| plan.query("stage", stage.as_str()))
}

/// A page of the Linux kernels that builds support.
#[must_use]
pub fn kernels(params: &ListParams) -> RequestPlan {
    ListParams { sort: None, ..params.clone() }.plan(&KERNELS)
}

/// In place of a device: the token that uninstalls every sensor in maintenance mode.
pub const MAINTENANCE: &str = "MAINTENANCE";

/// Shows the token that uninstalls the sensor of a device, or, for [`MAINTENANCE`], that of all.
#[must_use]
pub fn uninstall_token(device: &str, audit_message: &str) -> RequestPlan {
    #[derive(Serialize)]
    struct Reveal<'a> {
        audit_message: &'a str,
        device_id: &'a str,
    }
    UNINSTALL_TOKEN.json(&Reveal { audit_message, device_id: device })
}

wire! {
    /// A prevention policy, `prevention.PolicyV1`.
    pub struct PreventionPolicy {
        cid: Option<String>,
        created_by: Option<String>,
        created_timestamp: Option<Timestamp>,
        description: Option<String>,
        enabled: Option<bool>,
        groups: Vec<HostGroup>,
        id: Option<String>,
        ioa_rule_groups: Vec<RuleGroup>,
        modified_by: Option<String>,
        modified_timestamp: Option<Timestamp>,
        name: Option<String>,
        platform_name: Option<PolicyPlatform>,
        prevention_settings: Vec<SettingCategory>,
    }
}

wire! {
    /// A response policy, `remote_response.PolicyV1`.
    pub struct ResponsePolicy {
        cid: Option<String>,
        created_by: Option<String>,
        created_timestamp: Option<Timestamp>,
        description: Option<String>,
        enabled: Option<bool>,
        groups: Vec<HostGroup>,
        id: Option<String>,
        modified_by: Option<String>,
        modified_timestamp: Option<Timestamp>,
        name: Option<String>,
        platform_name: Option<PolicyPlatform>,
        settings: Vec<SettingCategory>,
    }
}

wire! {
    /// A sensor update policy, `sensor_update.PolicyV2`.
    pub struct SensorUpdatePolicy {
        cid: Option<String>,
        created_by: Option<String>,
        created_timestamp: Option<Timestamp>,
        description: Option<String>,
        enabled: Option<bool>,
        groups: Vec<HostGroup>,
        id: Option<String>,
        modified_by: Option<String>,
        modified_timestamp: Option<Timestamp>,
        name: Option<String>,
        platform_name: Option<PolicyPlatform>,
        settings: Option<UpdateSettings>,
    }
}

wire! {
    /// A group of custom rules.
    pub struct RuleGroup {
        comment: Option<String>,
        committed_timestamp: Option<Timestamp>,
        created_by: Option<String>,
        created_timestamp: Option<Timestamp>,
        customer_id: Option<String>,
        deleted: Option<bool>,
        description: Option<String>,
        enabled: Option<bool>,
        id: Option<String>,
        modified_by: Option<String>,
        modified_timestamp: Option<Timestamp>,
        name: Option<String>,
        platform: Option<String>,
        rule_ids: Vec<String>,
        version: Option<i64>,
    }
}

wire! {
    /// Settings that the console shows together.
    pub struct SettingCategory {
        name: Option<String>,
        settings: Vec<Setting>,
    }
}

wire! {
    /// A setting.
    pub struct Setting {
        description: Option<String>,
        id: Option<String>,
        name: Option<String>,
        kind("type"): Option<SettingKind>,
        value: Option<SettingValue>,
    }
}

wire! {
    /// The value of a setting: a toggle has `enabled`, a slider the other two.
    pub struct SettingValue {
        detection: Option<SliderLevel>,
        enabled: Option<bool>,
        prevention: Option<SliderLevel>,
    }
}

wire! {
    /// What a sensor update policy sets.
    pub struct UpdateSettings {
        build: Option<String>,
        is_lts_build: Option<bool>,
        scheduler: Option<Scheduler>,
        sensor_version: Option<String>,
        show_early_adopter_builds: Option<bool>,
        stage: Option<BuildStage>,
        uninstall_protection: Option<UninstallProtection>,
        variants: Vec<Build>,
    }
}

wire! {
    /// When sensors may be updated.
    pub struct Scheduler {
        enabled: Option<bool>,
        schedules: Vec<Schedule>,
        timezone: Option<String>,
    }
}

wire! {
    /// A span of some days in which nothing is updated.
    pub struct Schedule {
        days: Vec<String>,
        end: Option<String>,
        start: Option<String>,
    }
}

wire! {
    /// A build of the sensor.
    pub struct Build {
        build: Option<String>,
        is_lts_build: Option<bool>,
        platform: Option<String>,
        sensor_version: Option<String>,
        stage: Option<BuildStage>,
    }
}

wire! {
    /// A Linux kernel that builds support.
    pub struct Kernel {
        architecture: Option<String>,
        base_package_supported_sensor_versions: Vec<String>,
        created_timestamp: Option<Timestamp>,
        distro: Option<String>,
        distro_version: Option<String>,
        flavor: Option<String>,
        id: Option<String>,
        modified_timestamp: Option<Timestamp>,
        release: Option<String>,
        vendor: Option<String>,
        version: Option<String>,
        ztl_module_supported_sensor_versions: Vec<String>,
        ztl_supported_sensor_versions: Vec<String>,
    }
}

wire! {
    /// What uninstalls the sensor of a device.
    pub struct UninstallToken {
        device_id: Option<String>,
        seed_id: Option<i64>,
        uninstall_token: Option<Secret>,
    }
}
