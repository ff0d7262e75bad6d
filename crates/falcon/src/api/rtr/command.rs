//! Commands as values: what each needs, and lines in which an argument stays an argument.

use edr_core::Platform;

use crate::words::words;

/// The privilege under which a command runs. It chooses the endpoint, and with it the scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Looks at a host. Scope "Real time response: read".
    ReadOnly,
    /// Changes a host as well. Scope "Real time response: write".
    ActiveResponder,
    /// Brings files and programs of one's own as well. Scope "Real time response (admin): write".
    Admin,
}

impl Level {
    /// In the words of the console's roles.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::ActiveResponder => "active responder",
            Self::Admin => "administrator",
        }
    }
}

words! {
    /// A command of Real Time Response.
    pub enum BaseCommand {
        Cat = "cat",
        Cd = "cd",
        Clear = "clear",
        Cp = "cp",
        CsWinDiag = "cswindiag",
        CsrUtil = "csrutil",
        Encrypt = "encrypt",
        Env = "env",
        EventLog = "eventlog",
        FalconScript = "falconscript",
        FileHash = "filehash",
        Get = "get",
        GetSid = "getsid",
        Help = "help",
        History = "history",
        IfConfig = "ifconfig",
        IpConfig = "ipconfig",
        Kill = "kill",
        Ls = "ls",
        Map = "map",
        MemDump = "memdump",
        MkDir = "mkdir",
        Mount = "mount",
        Mv = "mv",
        NetStat = "netstat",
        Ps = "ps",
        Put = "put",
        PutAndRun = "put-and-run",
        RegDelete = "reg delete",
        RegLoad = "reg load",
        RegQuery = "reg query",
        RegSet = "reg set",
        RegUnload = "reg unload",
        Restart = "restart",
        Rm = "rm",
        Run = "run",
        RunScript = "runscript",
        Shutdown = "shutdown",
        Tar = "tar",
        Umount = "umount",
        Unmap = "unmap",
        UpdateHistory = "update history",
        UpdateInstall = "update install",
        UpdateList = "update list",
        UpdateQuery = "update query",
        Users = "users",
        XMemDump = "xmemdump",
        Zip = "zip",
    }
}

const EVERYWHERE: &[Platform] = &[Platform::Linux, Platform::Macos, Platform::Windows];
const UNIX: &[Platform] = &[Platform::Linux, Platform::Macos];
const MAC: &[Platform] = &[Platform::Macos];
const WINDOWS: &[Platform] = &[Platform::Windows];

impl BaseCommand {
    /// The least level at which the service takes it; `None` for a word that this crate does not know.
    #[must_use]
    pub fn level(&self) -> Option<Level> {
        use BaseCommand as B;
        Some(match self {
            B::Other(_) => return None,
            B::CsWinDiag | B::FalconScript | B::Put | B::PutAndRun | B::Run => Level::Admin,
            B::Cat | B::Cd | B::Clear | B::CsrUtil | B::Env | B::EventLog | B::FileHash | B::GetSid => {
                Level::ReadOnly
            }
            B::Help | B::History | B::IfConfig | B::IpConfig | B::Ls | B::Mount | B::NetStat => {
                Level::ReadOnly
            }
            B::Ps | B::RegQuery | B::Users => Level::ReadOnly,
            _ => Level::ActiveResponder,
        })
    }

    /// The systems that have it, as far as the public sources tell; `None` for a word that this crate does not
    /// know. Nothing is refused for it: a host says itself what it does not have.
    #[must_use]
    pub fn platforms(&self) -> Option<&'static [Platform]> {
        use BaseCommand as B;
        Some(match self {
            B::Other(_) => return None,
            B::CsrUtil => MAC,
            B::IfConfig | B::Tar | B::Umount | B::Users => UNIX,
            B::CsWinDiag | B::Encrypt | B::EventLog | B::GetSid | B::IpConfig | B::Map | B::MemDump => {
                WINDOWS
            }
            B::RegDelete | B::RegLoad | B::RegQuery | B::RegSet | B::RegUnload | B::Unmap => WINDOWS,
            B::UpdateHistory | B::UpdateInstall | B::UpdateList | B::UpdateQuery | B::XMemDump => WINDOWS,
            _ => EVERYWHERE,
        })
    }

    /// Words of small letters, digits and dashes.
    fn is_plain(&self) -> bool {
        let plain = |word: &str| {
            let begins = word.starts_with(|c: char| c.is_ascii_lowercase());
            begins && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        self.as_str().split(' ').all(plain)
    }
}

/// Why a command cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The name of the command is none.
    #[error("'{0}' is no name of a command")]
    Base(String),
    /// The name of an option is none.
    #[error("'{0}' is no name of an option")]
    Option(String),
    /// The line of a raw command is not that command.
    #[error("the line does not begin with its command")]
    Line,
    /// A value cannot be written so that it stays one value whatever the host's parser does.
    #[error("an argument {0}")]
    Value(&'static str),
}

/// A command with its arguments. Each argument arrives as the one that was given: it is quoted, or refused where no
/// quotes would hold it ([`Command::line`] says why). [`Command::raw`] is the way round that.
///
/// ```
/// use falcon::api::rtr::{BaseCommand, Command, Level};
/// let list = Command::new(BaseCommand::Ls).arg(r"C:\Program Files");
/// assert_eq!(list.line().unwrap(), r#"ls "C:\Program Files""#);
/// assert_eq!(list.level(), Level::ReadOnly);
/// assert!(Command::new(BaseCommand::Rm).arg("a\" b").line().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    base: BaseCommand,
    level: Level,
    line: Result<String, CommandError>,
}

impl Command {
    /// A command without arguments.
    #[must_use]
    pub fn new(base: BaseCommand) -> Self {
        let plain = base.is_plain();
        let line = if plain { Ok(base.to_string()) } else { Err(CommandError::Base(base.to_string())) };
        Self { level: base.level().unwrap_or(Level::ReadOnly), base, line }
    }

    /// A line as the caller wrote it, of this command. Nothing in it is quoted or looked at but its beginning.
    #[must_use]
    pub fn raw(base: BaseCommand, line: impl Into<String>) -> Self {
        let (mut command, line) = (Self::new(base), line.into());
        let rest = line.strip_prefix(command.base.as_str());
        let fits = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        command.line = command.line.and(if fits { Ok(line) } else { Err(CommandError::Line) });
        command
    }

    /// `cat` of a file.
    #[must_use]
    pub fn cat(path: &str) -> Self {
        Self::new(BaseCommand::Cat).arg(path)
    }

    /// `cd` into a folder.
    #[must_use]
    pub fn cd(path: &str) -> Self {
        Self::new(BaseCommand::Cd).arg(path)
    }

    /// `get`: takes a file from the host into the cloud.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self::new(BaseCommand::Get).arg(path)
    }

    /// `kill` of a process.
    #[must_use]
    pub fn kill(process: u64) -> Self {
        Self::new(BaseCommand::Kill).arg(process.to_string())
    }

    /// `ls` of a folder.
    #[must_use]
    pub fn ls(path: &str) -> Self {
        Self::new(BaseCommand::Ls).arg(path)
    }

    /// `put`: a put-file by its name.
    #[must_use]
    pub fn put(name: &str) -> Self {
        Self::new(BaseCommand::Put).arg(name)
    }

    /// `runscript` with a script of the tenant's, and what it is given.
    #[must_use]
    pub fn cloud_script(name: &str, arguments: Option<&str>) -> Self {
        let command = Self::new(BaseCommand::RunScript).option("CloudFile", name);
        arguments.into_iter().fold(command, |command, text| command.block("CommandLine", text))
    }

    /// `runscript` with the text of a script. Only an administrator may.
    #[must_use]
    pub fn raw_script(text: &str) -> Self {
        Self::new(BaseCommand::RunScript).block("Raw", text).needing(Level::Admin)
    }

    /// With an argument. One that begins with a dash would be read as an option, and is refused.
    #[must_use]
    pub fn arg(self, value: impl AsRef<str>) -> Self {
        let value = value.as_ref();
        let written = match value.starts_with('-') {
            true => Err(CommandError::Value("begins with a dash and would be read as an option")),
            false => written(value),
        };
        self.and(written)
    }

    /// With `-Name`.
    #[must_use]
    pub fn flag(self, name: &str) -> Self {
        self.and(option(name))
    }

    /// With `-Name=value`.
    #[must_use]
    pub fn option(self, name: &str, value: impl AsRef<str>) -> Self {
        self.and(option(name).and_then(|name| Ok(format!("{name}={}", written(value.as_ref())?))))
    }

    /// With `-Name` and a text of several lines, in the triple backticks that scripts and their arguments have.
    #[must_use]
    pub fn block(self, name: &str, value: impl AsRef<str>) -> Self {
        self.and(option(name).and_then(|name| Ok(format!("{name}={}", fenced(value.as_ref())?))))
    }

    /// At this level at least: for a command that this crate does not know.
    #[must_use]
    pub fn needing(mut self, level: Level) -> Self {
        self.level = self.level.max(level);
        self
    }

    fn and(mut self, part: Result<String, CommandError>) -> Self {
        self.line = self.line.and_then(|line| Ok(format!("{line} {}", part?)));
        self
    }

    /// The command without its arguments.
    #[must_use]
    pub fn base(&self) -> &BaseCommand {
        &self.base
    }

    /// The least level that it needs.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The line as it is sent.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub fn line(&self) -> Result<&str, CommandError> {
        self.line.as_deref().map_err(Clone::clone)
    }
}

fn option(name: &str) -> Result<String, CommandError> {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
    if plain { Ok(format!("-{name}")) } else { Err(CommandError::Option(name.to_owned())) }
}

/// A value as one word. It stands bare or in double quotes, and only where neither depends on whether the host's
/// parser takes a backslash for an escape.
fn written(value: &str) -> Result<String, CommandError> {
    let bare = |c: char| c.is_ascii_alphanumeric() || r"\/.:_-@%+,~".contains(c);
    if !value.is_empty() && value.chars().all(bare) {
        return Ok(value.to_owned());
    }
    let wrong = [
        (value.contains('"'), "has a double quote"),
        (value.contains("```"), "has three backticks"),
        (value.chars().any(char::is_control), "has a line break or another control character"),
        (
            value.ends_with('\\'),
            "needs quotes and ends with a backslash, which could take the closing one away",
        ),
    ];
    match wrong.iter().find(|(wrong, _)| *wrong) {
        Some((_, why)) => Err(CommandError::Value(why)),
        None => Ok(format!("\"{value}\"")),
    }
}

/// A text between triple backticks.
fn fenced(value: &str) -> Result<String, CommandError> {
    let odd = |c: char| c.is_control() && !"\n\r\t".contains(c);
    let wrong = [
        (value.contains("```"), "has three backticks"),
        (value.starts_with('`') || value.ends_with('`'), "begins or ends with a backtick"),
        (value.chars().any(odd), "has a control character"),
    ];
    match wrong.iter().find(|(wrong, _)| *wrong) {
        Some((_, why)) => Err(CommandError::Value(why)),
        None => Ok(format!("```{value}```")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_level_and_its_systems() {
        let all = |level| Some(level);
        for (name, level) in [
            ("ls", Level::ReadOnly),
            ("reg query", Level::ReadOnly),
            ("reg set", Level::ActiveResponder),
            ("runscript", Level::ActiveResponder),
            ("put-and-run", Level::Admin),
        ] {
            let base = BaseCommand::from(name);
            assert_eq!((base.level(), base.platforms().is_some()), (all(level), true), "{name}");
        }
        let new = BaseCommand::from("teleport");
        assert_eq!((new.level(), new.platforms()), (None, None));
        assert_eq!(Command::new(new).needing(Level::Admin).level(), Level::Admin);
        assert!(Level::ReadOnly < Level::ActiveResponder && Level::ActiveResponder < Level::Admin);
    }

    #[test]
    fn what_could_be_read_otherwise_is_refused() {
        let rm = || Command::new(BaseCommand::Rm);
        for bad in ["a\"b", "a b\\", "-Force", "a\nb", "x```y", "\u{0}"] {
            assert!(matches!(rm().arg(bad).line(), Err(CommandError::Value(_))), "{bad}");
        }
        assert_eq!(rm().arg("C:\\").line().unwrap(), "rm C:\\");
        assert_eq!(rm().arg("").flag("Force").line().unwrap(), "rm \"\" -Force");
        assert!(matches!(rm().flag("a b").line(), Err(CommandError::Option(_))));
        assert!(matches!(Command::new("rm; ls".into()).line(), Err(CommandError::Base(_))));
        let script = Command::raw_script("echo \"a b\"\nexit");
        assert_eq!(
            (script.line().unwrap(), script.level()),
            ("runscript -Raw=```echo \"a b\"\nexit```", Level::Admin)
        );
        assert!(Command::raw_script("a```").line().is_err());
        assert_eq!(
            Command::cloud_script("collect", Some("-Days 3")).line().unwrap(),
            "runscript -CloudFile=collect -CommandLine=```-Days 3```"
        );
    }

    #[test]
    fn a_raw_line_is_of_its_command() {
        let raw = |line: &str| Command::raw(BaseCommand::Ls, line);
        assert_eq!(raw("ls 'a b' -x").line().unwrap(), "ls 'a b' -x");
        for bad in ["", "rm x", "lsx"] {
            assert_eq!(raw(bad).line(), Err(CommandError::Line), "{bad}");
        }
        // What went wrong first stays wrong.
        assert!(Command::new(BaseCommand::Rm).arg("\"").arg("x").line().is_err());
    }
}
