//! Installation packages: which versions there are, and making and fetching one.

use edr_core::Result;
use edr_http::{Operation, RequestPlan};
use serde_json::{Map, Value, json};

use super::system::{DEPLOYER, VIEWER};
use super::{ApiCall, Sheet, refused};
use crate::record::{record, words};

/// Versions of the agent.
pub static VERSIONS: Operation = Operation::read("distributions/get_versions", VIEWER);
/// Makes a package.
pub static CREATE: Operation = Operation::write("distributions/create", DEPLOYER);
/// How far a package is.
pub static STATUS: Operation = Operation::read("distributions/get_status", VIEWER);
/// Where a package lies.
pub static URL: Operation = Operation::read("distributions/get_dist_url", VIEWER);
/// Packages in windows.
pub static LIST: Operation = Operation::read("distributions/get_distributions", VIEWER);
/// Takes a package away.
pub static DELETE: Operation = Operation::write("distributions/delete", DEPLOYER);

pub(crate) fn table() -> Vec<ApiCall> {
    vec![
        ApiCall::both(&VERSIONS),
        ApiCall::both(&CREATE),
        ApiCall::both(&STATUS),
        ApiCall::both(&URL),
        ApiCall::both(&LIST).paged("distribution_id"),
        ApiCall::both(&DELETE),
    ]
}

record! {
    /// The versions of the agent, by platform.
    pub struct Versions {
        /// For Windows.
        pub windows: Vec<String> = "windows",
        /// For Linux.
        pub linux: Vec<String> = "linux",
        /// For macOS.
        pub macos: Vec<String> = "macos",
    }
}

words! {
    /// The platform of a package.
    pub enum PackagePlatform {
        /// Android.
        Android = "android",
        /// Linux.
        Linux = "linux",
        /// macOS.
        Macos = "macos",
        /// Windows.
        Windows = "windows",
    }
}

words! {
    /// The form of a package.
    pub enum PackageForm {
        /// For Debian and its kin.
        Deb = "deb",
        /// For macOS.
        Pkg = "pkg",
        /// For Red Hat and its kin.
        Rpm = "rpm",
        /// A shell script.
        Sh = "sh",
        /// Windows, 64 bits.
        X64 = "x64",
        /// Windows, 32 bits.
        X86 = "x86",
    }
}

/// A package to make.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NewPackage {
    /// One that installs an agent.
    Standalone {
        /// For which platform.
        platform: PackagePlatform,
        /// Which version; Android has none.
        version: Option<String>,
    },
    /// One that brings agents to other versions, of each platform at most one.
    Upgrade {
        /// On Windows.
        windows: Option<String>,
        /// On Linux.
        linux: Option<String>,
        /// On macOS.
        macos: Option<String>,
    },
}

/// Makes a package.
///
/// # Errors
/// For no name, and where a version is missing.
pub fn create_distribution(
    name: &str,
    package: &NewPackage,
    description: Option<&str>,
) -> Result<RequestPlan> {
    if name.trim().is_empty() {
        return Err(refused(&CREATE, "the package has no name"));
    }
    let mut data: Map<String, Value> = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        data.extend(value.map(|value| (key.to_owned(), value)));
    };
    put("name", Some(json!(name)));
    put("description", description.map(|text| json!(text)));
    match package {
        NewPackage::Standalone { platform, version } => {
            if version.is_none() && *platform != PackagePlatform::Android {
                return Err(refused(&CREATE, "a package for this platform needs a version"));
            }
            put("package_type", Some(json!("standalone")));
            put("platform", Some(Value::from(platform)));
            put("agent_version", version.as_ref().map(|version| json!(version)));
        }
        NewPackage::Upgrade { windows, linux, macos } => {
            if windows.is_none() && linux.is_none() && macos.is_none() {
                return Err(refused(
                    &CREATE,
                    "a package that upgrades needs a version for one platform at least",
                ));
            }
            put("package_type", Some(json!("upgrade")));
            for (key, version) in
                [("windows_version", windows), ("linux_version", linux), ("macos_version", macos)]
            {
                put(key, version.as_ref().map(|version| json!(version)));
            }
        }
    }
    Ok(super::post(&CREATE, &Value::Object(data)))
}

/// Versions of the agent.
#[must_use]
pub fn versions() -> RequestPlan {
    RequestPlan::post_json(&VERSIONS, "/public_api/v1/distributions/get_versions", "{}")
}

/// How far a package is.
///
/// # Errors
/// For an empty id.
pub fn distribution_status(id: &str) -> Result<RequestPlan> {
    Ok(super::post(&STATUS, &json!({"distribution_id": super::segment(&STATUS, id)?})))
}

/// Where a package lies.
///
/// # Errors
/// For an empty id.
pub fn distribution_url(id: &str, form: &PackageForm) -> Result<RequestPlan> {
    let id = super::segment(&URL, id)?;
    Ok(super::post(&URL, &json!({"distribution_id": id, "package_type": form.as_str()})))
}

/// Takes a package away.
///
/// # Errors
/// For an empty id.
pub fn delete_distribution(id: &str) -> Result<RequestPlan> {
    Ok(super::post(&DELETE, &json!({"distribution_id": super::segment(&DELETE, id)?})))
}

record! {
    /// A package.
    pub struct Distribution {
        /// Its id.
        pub distribution_id: Option<String> = "distribution_id" | "id",
        /// Its name.
        pub name: Option<String> = "name",
        /// `windows`, …
        pub platform: Option<String> = "platform",
        /// Its version.
        pub agent_version: Option<String> = "agent_version",
        /// `standalone`, `upgrade`.
        pub package_type: Option<String> = "package_type",
        /// How far it is.
        pub status: Option<String> = "status",
        /// What it is for.
        pub description: Option<String> = "description",
    }
}

pub(crate) static SHEET: Sheet<Distribution> = Sheet {
    operation: &LIST,
    paths: &[&["reply", "data"], &["reply", "distributions"], &["reply"]],
    lists: &["data", "distributions"],
    counts: &["total_count"],
    cap: None,
    capitals: false,
    more: &[],
    id: |package| package.distribution_id.as_deref(),
    time: None,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_checked() {
        let agent = |platform, version: Option<&str>| NewPackage::Standalone {
            platform,
            version: version.map(str::to_owned),
        };
        assert!(create_distribution("a", &agent(PackagePlatform::Android, None), None).is_ok());
        assert!(create_distribution("a", &agent(PackagePlatform::Linux, None), None).is_err());
        assert!(create_distribution(" ", &agent(PackagePlatform::Linux, Some("8.4")), None).is_err());
        let none = NewPackage::Upgrade { windows: None, linux: None, macos: None };
        assert!(create_distribution("a", &none, None).is_err());
        assert!(distribution_status("").is_err());
    }
}
