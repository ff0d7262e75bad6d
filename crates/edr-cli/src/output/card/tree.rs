//! A process with its ancestors, as a tree: the root first.

use edr::core::Process;

/// The lines of all chains; a chain that is part of another is shown once.
pub(super) fn lines<'a>(processes: impl Iterator<Item = &'a Process>) -> Vec<String> {
    let mut chains: Vec<Vec<String>> = Vec::new();
    for process in processes {
        let chain: Vec<String> = ancestors(process).into_iter().map(describe).collect();
        if !chains.iter().any(|known| known.starts_with(&chain)) {
            chains.retain(|known| !chain.starts_with(known));
            chains.push(chain);
        }
    }
    let mut lines = Vec::new();
    let mut before: &[String] = &[];
    for chain in &chains {
        let shared = before.iter().zip(chain).take_while(|(a, b)| a == b).count();
        let fresh = chain.iter().enumerate().skip(shared);
        lines.extend(fresh.map(|(depth, text)| format!("{}{text}", branch(depth))));
        before = chain;
    }
    lines
}

fn branch(depth: usize) -> String {
    if depth == 0 { String::new() } else { format!("{}└─ ", "   ".repeat(depth - 1)) }
}

/// From the root down to the process itself.
fn ancestors(process: &Process) -> Vec<&Process> {
    let mut chain = vec![process];
    let mut at = process;
    while let Some(parent) = &at.parent {
        chain.push(parent);
        at = parent;
    }
    chain.extend(process.ancestry.iter());
    chain.retain(|p| !p.is_empty());
    chain.reverse();
    chain
}

fn describe(process: &Process) -> String {
    let name = process.name.as_deref().or(process.path.as_deref()).unwrap_or("(unnamed)");
    let pid = process.pid.map(|pid| format!(" [{pid}]")).unwrap_or_default();
    let user = process.user.as_ref().and_then(|u| u.name.as_deref()).map(|u| format!(" as {u}"));
    let command = process.cmd_line.as_deref().map(|c| format!("  {c}"));
    format!("{name}{pid}{}{}", user.unwrap_or_default(), command.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(name: &str, pid: u32) -> Process {
        Process { name: Some(name.into()), pid: Some(pid), ..Process::default() }
    }

    #[test]
    fn a_chain_goes_from_the_root_down() {
        let mut leaf = process("powershell.exe", 3);
        leaf.cmd_line = Some("powershell -enc AAAA".into());
        leaf.parent = Some(Box::new(process("winword.exe", 2)));
        leaf.ancestry = vec![process("explorer.exe", 1)];
        insta::assert_snapshot!(lines([&leaf].into_iter()).join("\n"), @r"
        explorer.exe [1]
        └─ winword.exe [2]
           └─ powershell.exe [3]  powershell -enc AAAA
        ");
    }

    #[test]
    fn what_two_chains_share_is_shown_once() {
        let child = |name, pid| {
            let mut p = process(name, pid);
            p.parent = Some(Box::new(process("services.exe", 1)));
            p
        };
        let all = [child("a.exe", 2), child("b.exe", 3), child("a.exe", 2)];
        insta::assert_snapshot!(lines(all.iter()).join("\n"), @r"
        services.exe [1]
        └─ a.exe [2]
        └─ b.exe [3]
        ");
    }
}
