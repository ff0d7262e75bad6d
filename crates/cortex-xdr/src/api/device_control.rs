//! Violations of device control: what was plugged in and is not allowed.

use edr_http::Operation;

use super::system::VIEWER;
use super::{ApiCall, Sheet, TimeKey};
use crate::filter::filters;
use crate::record::{record, words};
use crate::wire::Stamp;

/// Violations in windows.
pub static VIOLATIONS: Operation = Operation::read("device_control/get_violations", VIEWER);

pub(crate) fn table() -> Vec<ApiCall> {
    vec![ApiCall::both(&VIOLATIONS).paged("violation_id")]
}

words! {
    /// What was plugged in, in the words of requests and replies alike.
    pub enum DeviceType {
        /// A CD or DVD drive.
        CdRom = "cd-rom",
        /// A disk.
        DiskDrive = "disk drive",
        /// A floppy disk.
        FloppyDisk = "floppy disk",
        /// A telephone, a camera, a player.
        PortableDevice = "portable device",
    }
}

filters! {
    /// Which violations.
    pub struct ViolationFilters {
        /// On these endpoints.
        endpoints: in "endpoint_id_list" of String,
        /// Of these devices.
        types: in "type" of DeviceType,
        /// From these addresses.
        ips: in "ip_list" of String,
        /// Of these vendors.
        vendors: in "vendor" of String,
        /// Of these vendors, by number.
        vendor_ids: in "vendor_id" of String,
        /// Of these products.
        products: in "product" of String,
        /// Of these products, by number.
        product_ids: in "product_id" of String,
        /// With these serial numbers.
        serials: in "serial" of String,
        /// On these hosts.
        hostnames: in "hostname" of String,
        /// By these users.
        usernames: in "username" of String,
        /// These very ones.
        ids: in "violation_id_list" of u64,
        /// From this time on.
        from: gte "timestamp" of chrono::DateTime<chrono::Utc>,
        /// Up to this time.
        to: lte "timestamp" of chrono::DateTime<chrono::Utc>,
    }
}

record! {
    /// A violation.
    pub struct Violation {
        /// Its id.
        pub violation_id: Option<String> = "violation_id",
        /// The endpoint.
        pub endpoint_id: Option<String> = "endpoint_id",
        /// Its host name.
        pub hostname: Option<String> = "hostname",
        /// The user.
        pub username: Option<String> = "username",
        /// Its addresses.
        pub ip: Vec<String> = "ip",
        /// When it happened.
        pub timestamp: Stamp = "timestamp",
        /// What was plugged in.
        pub device_type: Option<DeviceType> = "type",
        /// `0x0781`.
        pub vendor_id: Option<String> = "vendor_id",
        /// The vendor of the device.
        pub vendor: Option<String> = "vendor",
        /// `0x5567`.
        pub product_id: Option<String> = "product_id",
        /// The device.
        pub product: Option<String> = "product",
        /// Its serial number.
        pub serial: Option<String> = "serial",
        /// `AGENT_OS_WINDOWS`, …
        pub os_type: Option<String> = "os_type",
    }
}

pub(crate) static SHEET: Sheet<Violation> = Sheet {
    operation: &VIOLATIONS,
    paths: &[&["reply", "violations"]],
    lists: &["violations"],
    counts: &["total_count"],
    cap: Some(9_999),
    capitals: false,
    more: &[],
    id: |violation| violation.violation_id.as_deref(),
    time: Some(TimeKey {
        field: "timestamp",
        read: |violation| violation.timestamp.time.map(|time| time.timestamp_millis()),
    }),
};
