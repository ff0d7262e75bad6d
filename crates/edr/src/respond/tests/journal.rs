use std::fs;
use std::io::Write as _;

use edr_core::{Because, InMemory, Quirk, ResponseAction};

use super::{Bench, contained, tenant};
use crate::respond::{Consent, Draft, Error, Event, Journal};

async fn written() -> (Bench, InMemory, Journal) {
    let one = tenant("a", 6).batch(2).build();
    let bench = Bench::new([one.clone()]);
    bench.contain(&["web-0", "web-1", "web-2", "web-3"]).await.unwrap();
    let journal = fresh(&bench);
    (bench, one, journal)
}

fn fresh(bench: &Bench) -> Journal {
    Journal::open(bench.path(), std::sync::Arc::new(bench.clock.clone()), "bob@soc", "test").unwrap()
}

#[tokio::test]
async fn every_change_is_found_and_located() {
    let (bench, _, journal) = written().await;
    let path = journal.path();
    let sound = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = sound.lines().collect();
    assert_eq!((lines.len(), journal.verify().unwrap().records), (6, 6));
    let join = |lines: &[&str]| lines.join("\n") + "\n";
    let edited = lines[2].replace("accepted", "refused_");
    let swapped = [lines[0], lines[2], lines[1], lines[3], lines[4], lines[5]];
    let doubled = [lines[0], lines[1], lines[1], lines[2], lines[3], lines[4], lines[5]];
    let junk = [lines[0], lines[1], "not a record", lines[2], lines[3], lines[4], lines[5]];
    let cases = [
        ("edited", join(&[lines[0], lines[1], &edited, lines[3], lines[4], lines[5]]), 3, "it was changed"),
        (
            "removed",
            join(&[lines[0], lines[1], lines[3], lines[4], lines[5]]),
            3,
            "records are missing before it",
        ),
        ("reordered", join(&swapped), 2, "records are missing before it"),
        ("doubled", join(&doubled), 3, "moved or doubled"),
        ("junk", join(&junk), 4, "are no record"),
        ("first removed", join(&lines[1..]), 1, "records are missing before it"),
        ("tail removed", join(&lines[..4]), 4, "records 5 to 6 are missing at the end"),
        ("emptied", String::new(), 0, "records 1 to 6 are missing at the end"),
        ("last edited", join(&[&lines[..5], &["x"]].concat()), 5, "records 6 to 6 are missing"),
    ];
    for (what, text, line, says) in cases {
        fs::write(&path, &text).unwrap();
        let fault = journal.verify().unwrap().fault.unwrap_or_else(|| panic!("{what} was not found"));
        assert!(fault.what.contains(says), "{what}: {fault}");
        assert_eq!(fault.line, line, "{what}: {fault}");
        assert!(
            matches!(fresh(&bench).append(Event::Ended { plan: "x".into() }), Err(Error::Journal(_))),
            "{what}"
        );
        assert!(matches!(fresh(&bench).records(), Err(Error::Journal(_))), "{what}");
    }
    fs::write(&path, &sound).unwrap();
    assert!(journal.verify().unwrap().fault.is_none());
    fs::remove_file(bench.path().join("journal.head")).unwrap();
    assert!(journal.verify().unwrap().fault.unwrap().what.contains("the head is missing"));
}

/// What is written in the documentation as not provable is not provable.
#[tokio::test]
async fn who_changes_the_head_as_well_is_found_only_by_a_hash_that_is_kept_elsewhere() {
    let (bench, _, journal) = written().await;
    let kept = journal.verify().unwrap().hash;
    let text = fs::read_to_string(journal.path()).unwrap();
    let cut: Vec<&str> = text.lines().take(4).collect();
    let last: serde_json::Value = serde_json::from_str(cut[3]).unwrap();
    fs::write(journal.path(), cut.join("\n") + "\n").unwrap();
    fs::write(bench.path().join("journal.head"), format!("{{\"seq\":4,\"hash\":{}}}", last["hash"])).unwrap();
    let audit = journal.verify().unwrap();
    assert!(audit.fault.is_none());
    assert_ne!(audit.hash, kept);
}

#[tokio::test]
async fn half_a_record_is_kept_and_told() {
    let (bench, one, journal) = written().await;
    let append = |bytes: &[u8]| {
        fs::OpenOptions::new().append(true).open(journal.path()).unwrap().write_all(bytes).unwrap();
    };
    append(b"{\"seq\":7,\"prev\":\"ab");
    let audit = journal.verify().unwrap();
    assert_eq!((audit.fault, audit.torn_tail), (None, 19));
    bench.contain(&["web-4"]).await.unwrap();
    // The process dies again while it sets the torn bytes aside.
    append(b"{\"half\n{\"again");
    assert_eq!(fresh(&bench).records().unwrap().len(), 11, "looking changes nothing");
    bench.contain(&["web-5"]).await.unwrap();
    let audit = journal.verify().unwrap();
    assert_eq!((audit.fault, audit.torn, audit.torn_tail), (None, 2, 0));
    assert!(
        fs::read_to_string(journal.path()).unwrap().contains("{\"seq\":7,\"prev\":\"ab\n"),
        "the bytes are kept"
    );
    assert_eq!(contained(&one).len(), 6);
    // Bytes that were set aside cannot be changed either.
    let text = fs::read_to_string(journal.path()).unwrap();
    fs::write(journal.path(), text.replace("{\"half\n", "{\"HALF\n")).unwrap();
    assert!(journal.verify().unwrap().fault.is_some());
}

#[tokio::test]
async fn a_record_without_its_end_of_line_counts() {
    let (bench, _, journal) = written().await;
    let text = fs::read_to_string(journal.path()).unwrap();
    fs::write(journal.path(), text.trim_end()).unwrap();
    let (one, two) = (fresh(&bench), fresh(&bench));
    assert_eq!((one.records().unwrap().len(), two.records().unwrap().len()), (6, 6));
    one.append(Event::Ended { plan: "x".into() }).unwrap();
    two.append(Event::Ended { plan: "y".into() }).unwrap();
    assert_eq!(one.append(Event::Ended { plan: "z".into() }).unwrap(), 9);
    let audit = journal.verify().unwrap();
    assert_eq!((audit.records, audit.torn, audit.fault), (9, 0, None));
}

#[tokio::test]
async fn a_broken_journal_is_set_aside_by_a_person_only() {
    let (bench, _, journal) = written().await;
    assert!(journal.set_aside("for fun").is_err(), "a sound one stays");
    let text = fs::read_to_string(journal.path()).unwrap();
    fs::write(journal.path(), text.replace("accepted", "already")).unwrap();
    let aside = journal.set_aside("the disk failed, INC-9").unwrap();
    assert!(fs::read_to_string(aside).unwrap().contains("already"));
    let records = fresh(&bench).records().unwrap();
    assert!(matches!(&records[0].event, Event::SetAside { reason, .. } if reason.contains("INC-9")));
    bench.contain(&["web-4"]).await.unwrap();
    assert!(journal.verify().unwrap().fault.is_none());
    // The clock stands still: a second one of this moment has the name of the first.
    let text = fs::read_to_string(journal.path()).unwrap();
    fs::write(journal.path(), text.replace("accepted", "already")).unwrap();
    let again = journal.set_aside("and once more").unwrap_err().to_string();
    assert!(again.contains("not overwritten"), "{again}");
}

#[tokio::test]
async fn many_processes_write_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    let clock = std::sync::Arc::new(edr_core::clock::ManualClock::at(super::now()));
    std::thread::scope(|scope| {
        for who in ["ann", "bob", "eve", "joe"] {
            let journal = Journal::open(folder.path(), clock.clone(), who, "test").unwrap();
            scope.spawn(move || {
                for i in 0..10 {
                    journal.append(Event::Ended { plan: format!("{who}-{i}") }).unwrap();
                }
            });
        }
    });
    let audit = Journal::open(folder.path(), clock, "x", "test").unwrap().verify().unwrap();
    assert_eq!((audit.records, audit.fault), (40, None));
}

#[tokio::test]
async fn no_secret_gets_into_the_journal() {
    let one = tenant("a", 2).build();
    one.quirk("a-web-1", Quirk::Fails);
    let bench = Bench::new([one]);
    let args = vec![("password".to_owned(), "canary-1".to_owned())];
    let script = ResponseAction::RunScript { script: "reset".into(), args };
    let plan =
        bench.plan(&["web-0", "web-1"], &Draft::new(script).because(Because::new().ticket("INC-7"))).await;
    bench.responder().apply(&plan, &Consent::yes(9)).await.unwrap();
    let text = fs::read_to_string(bench.responder().journal().path()).unwrap();
    assert!(text.contains("password") && text.contains("INC-7") && text.contains("ann@soc"));
    assert!(!text.contains("canary"), "{text}");
    assert!(
        fs::read_to_string(bench.responder().plan_path(&plan.id).unwrap()).unwrap().contains("canary-1"),
        "the plan needs it"
    );
}
