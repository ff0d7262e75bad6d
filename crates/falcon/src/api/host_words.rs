//! The words that a device is described in.

use crate::words::words;

words! {
    /// Network containment, and containment of the file system.
    pub enum Containment {
        /// Contained; the sensor has confirmed it.
        Contained = "contained",
        /// Asked for; the sensor has not confirmed it.
        ContainmentPending = "containment_pending",
        /// Release is asked for; the sensor has not confirmed it.
        LiftContainmentPending = "lift_containment_pending",
        /// Not contained.
        Normal = "normal",
    }
}

words! {
    /// How the sensor is deployed.
    pub enum DeploymentType {
        /// As a daemon set of Kubernetes.
        DaemonSet = "DaemonSet",
        /// On the machine itself.
        Standard = "Standard",
    }
}

words! {
    /// Whether detections of a device are suppressed.
    pub enum DetectionSuppression {
        /// They are.
        Suppressed = "suppressed",
        /// They are not.
        Unsuppressed = "unsuppressed",
    }
}

words! {
    /// The operating system's family.
    pub enum HostPlatform {
        /// Android.
        Android = "Android",
        /// iOS and iPadOS.
        Ios = "iOS",
        /// A Kubernetes object.
        K8s = "K8S",
        /// Linux.
        Linux = "Linux",
        /// macOS.
        Mac = "Mac",
        /// Windows.
        Windows = "Windows",
    }
}

words! {
    /// Whether a device is shown in the console.
    pub enum HostVisibility {
        /// Hidden.
        Hidden = "hidden",
        /// Shown.
        Visible = "visible",
    }
}

words! {
    /// Where the sensor runs on Linux.
    pub enum LinuxSensorMode {
        /// In the kernel.
        Kernel = "Kernel Mode",
        /// Beside it.
        User = "User Mode",
    }
}

words! {
    /// What sort of machine it is.
    pub enum ProductType {
        /// A domain controller.
        DomainController = "Domain Controller",
        /// A phone or tablet.
        Mobile = "Mobile",
        /// A pod of Kubernetes.
        Pod = "Pod",
        /// A server.
        Server = "Server",
        /// A client.
        Workstation = "Workstation",
    }
}

words! {
    /// Whether the sensor has its first configuration.
    pub enum ProvisionStatus {
        /// It has not.
        NotProvisioned = "NotProvisioned",
        /// It has.
        Provisioned = "Provisioned",
    }
}

words! {
    /// Whether the sensor works in reduced functionality mode.
    pub enum ReducedFunctionality {
        /// It does not.
        No = "no",
        /// The cloud does not know.
        Unknown = "unknown",
        /// The cloud does not say.
        Unstated = "",
        /// It does.
        Yes = "yes",
    }
}

words! {
    /// Whether Real Time Response is switched on.
    pub enum RtrState {
        /// It is not.
        Disabled = "disabled",
        /// It is.
        Enabled = "enabled",
    }
}

words! {
    /// The cloud that a machine runs in.
    pub enum ServiceProvider {
        /// Amazon EC2, by the first version of its metadata service.
        Aws = "AWS_EC2",
        /// Amazon EC2, by the second version of its metadata service.
        AwsV2 = "AWS_EC2_V2",
        /// Microsoft Azure.
        Azure = "AZURE",
        /// Google Cloud.
        Gcp = "GCP",
    }
}
