//! The native Falcon client against the simulator: every scene, and the texts that FQL writes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod falcon_scenes;

macro_rules! tests {
    ($($scene:ident)*) => {
        $(
            #[tokio::test]
            async fn $scene() {
                falcon_scenes::$scene(&std::sync::Arc::default()).await;
            }
        )*
    };
}

falcon_scenes::each_scene!(tests);

/// Every text of up to four of the characters that could break out of quotes.
fn tricky() -> Vec<String> {
    let signs = ['\'', '"', '\\', '+', ',', '(', ']', ':', '!', '~', ' ', 'a', 'é'];
    let mut all = vec![String::new()];
    for _ in 0..4 {
        let longer = all.iter().filter(|t| t.chars().count() == all.last().map_or(0, |l| l.chars().count()));
        let longer: Vec<String> =
            longer.flat_map(|t| signs.iter().map(move |sign| format!("{t}{sign}"))).collect();
        all.extend(longer);
    }
    all
}

#[test]
fn what_fql_writes_the_service_reads_as_it_was_meant() {
    use edr_sim::falcon::fql::{Expr, Literal, parse};
    use falcon::fql::field;
    let name = field("hostname").unwrap();
    let texts = tricky();
    assert_eq!(texts.len(), 1 + 13 + 169 + 2_197 + 28_561);
    for text in &texts {
        let written = name.eq(text).unwrap().to_string();
        let read = match parse(&written) {
            Ok(Expr::Term(term)) => term.values,
            other => panic!("{written}: {other:?}"),
        };
        assert_eq!(read, [Literal::Quoted(text.clone())], "{written}");
    }
}

#[test]
fn what_a_command_line_writes_the_service_reads_as_it_was_meant() {
    use edr_sim::falcon::rtr::words;
    use falcon::api::rtr::{BaseCommand, Command};
    let (mut written, mut refused) = (0, 0);
    let signs = ['\'', '"', '\\', '`', '-', '=', ' ', '\n', '\t', 'a', 'é', '\u{a0}'];
    let longer = |all: &[String]| -> Vec<String> {
        all.iter().flat_map(|t| signs.iter().map(move |sign| format!("{t}{sign}"))).collect()
    };
    let mut texts = vec![vec![String::new()]];
    for n in 0..4 {
        texts.push(longer(&texts[n]));
    }
    for text in texts.concat() {
        let run = || Command::new(BaseCommand::RunScript);
        for (command, means) in [
            (run().arg(&text), text.clone()),
            (run().option("CloudFile", &text), format!("-CloudFile={text}")),
            (run().block("Raw", &text), format!("-Raw={text}")),
        ] {
            let command = command.arg("end");
            match command.line() {
                Ok(line) => {
                    assert_eq!(words(line).unwrap(), ["runscript", &means, "end"], "{line}");
                    written += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(written > 20_000 && refused > 20_000, "{written} written, {refused} refused");
}
