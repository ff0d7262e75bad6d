//! The whole surface, in writing.

use clap::CommandFactory as _;

use super::*;

#[test]
fn clap_finds_no_fault() {
    Cli::command().debug_assert();
}

/// The long help of a command and of all below it.
fn helps(command: &mut clap::Command, path: &str, all: &mut Vec<(String, String)>) {
    all.push((path.to_owned(), command.render_long_help().to_string()));
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    for name in names {
        if let Some(sub) = command.find_subcommand_mut(&name) {
            helps(sub, &format!("{path}-{name}"), all);
        }
    }
}

#[test]
#[cfg(feature = "sim")]
fn the_help_of_every_command_is_as_it_was() {
    let mut all = Vec::new();
    let mut command = Cli::command().term_width(100);
    command.build();
    helps(&mut command, "edr", &mut all);
    for (path, help) in &all {
        insta::assert_snapshot!(format!("help-{path}"), help);
    }
    let paths: Vec<&str> = all.iter().map(|(path, _)| path.as_str()).collect();
    insta::assert_debug_snapshot!("commands", paths);
}

fn refused(words: &[&str]) -> String {
    let words = std::iter::once("edr").chain(words.iter().copied());
    Cli::try_parse_from(words).unwrap_err().to_string()
}

#[test]
fn bad_values_name_what_is_accepted() {
    for (words, says) in [
        (vec!["hosts", "list", "--platform", "beos"], "windows"),
        (vec!["hosts", "list", "--status", "on"], "online"),
        (vec!["hosts", "list", "--containment", "x"], "containment_pending"),
        (vec!["alerts", "list", "--severity", "bad"], "critical"),
        (vec!["alerts", "list", "--status", "open"], "in_progress"),
        (vec!["hosts", "list", "--limit", "0"], "1.."),
        (vec!["hosts", "list", "--limit", "5", "--all"], "cannot be used with"),
        (vec!["hosts", "list", "-o", "xml"], "jsonl"),
        (vec!["hosts", "list", "--tz", "Mars/Base"], "+02:00"),
        (vec!["hosts", "list", "--timeout", "soon"], "30s"),
        (vec!["hosts", "list", "--vendor", "x"], "falcon, cortex"),
        (vec!["hosts", "list", "-t", "a", "--all-tenants"], "cannot be used with"),
        (vec!["hosts", "get"], "NAME|ID"),
        (vec!["hosts", "contain", "-t", "a", "WIN-1"], "unexpected argument"),
    ] {
        let error = refused(&words);
        assert!(error.contains(says), "{words:?}: {error}");
    }
}

#[test]
fn values_with_commas_and_repeated_are_alternatives() {
    let cli = Cli::parse_from(["edr", "hosts", "list", "--platform", "Windows,linux", "--platform", "macos"]);
    let Command::Hosts(HostsCommand::List(list)) = cli.command else { panic!("not hosts list") };
    assert_eq!(list.platform, ["windows", "linux", "macos"]);
}

#[test]
fn globals_stand_before_and_after_the_command() {
    for words in [["edr", "-t", "a", "hosts", "list"], ["edr", "hosts", "list", "-t", "a"]] {
        assert_eq!(Cli::parse_from(words).globals.tenant, ["a"]);
    }
}
