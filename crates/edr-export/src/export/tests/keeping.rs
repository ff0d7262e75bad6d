//! What a later run leaves of an earlier one.

use super::*;

const HALF: Outcome = Outcome::Partial;
const NONE: Outcome = Outcome::Failed;
const WHOLE: Outcome = Outcome::Complete;

fn short(outcome: Outcome) -> Vec<Ending> {
    vec![Ending::short("acme", "falcon", outcome, "the vendor went away")]
}

/// Read to the end, but for an item that could not be decoded.
fn nearly() -> Vec<Ending> {
    rejected(1)
}

fn rejected(items: u64) -> Vec<Ending> {
    vec![Ending::short("acme", "falcon", HALF, "items could not be decoded").read_to_end(items)]
}

type Told = (Outcome, u64, Option<DateTime<Utc>>, Option<Outcome>);

/// What a run with so many rows of `acme` says of it.
fn rerun(folder: &Path, rows: usize, ended: Vec<Ending>) -> Told {
    run(folder, &[("acme", rows)], ended);
    let manifest = true_manifest(folder);
    assert_eq!(placed(folder), named(&manifest));
    let part = manifest.tenants[0].clone();
    (part.outcome, part.records, part.kept, part.kept_outcome)
}

#[test]
fn a_tenant_of_which_less_is_read_keeps_the_half_that_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let rerun = |rows, ended| rerun(folder.path(), rows, ended);
    assert_eq!(rerun(9, short(HALF)), (HALF, 9, None, None));
    let kept = |outcome| (outcome, 9, Some(noon()), Some(HALF));
    assert_eq!(rerun(0, short(NONE)), kept(NONE), "it is told of which run the rows are");
    assert_eq!(rerun(0, short(NONE)), kept(NONE), "what is kept is kept on");
    assert_eq!(rerun(0, vec![]), kept(NONE), "nor was anything read of a tenant that was not asked");
    assert_eq!(rerun(4, short(HALF)), kept(HALF), "fewer rows do not replace more");
    assert_eq!(rerun(0, short(HALF)), kept(HALF), "a half without a row is nothing");
    assert_eq!(rerun(12, short(HALF)), (HALF, 12, None, None), "a half is not taken for the whole");
    assert_eq!(rerun(7, whole(&["acme"])), (WHOLE, 7, None, None));
    assert_eq!(rerun(20, short(HALF)), (HALF, 7, Some(noon()), Some(WHOLE)));
    assert_eq!(rerun(0, short(NONE)), (NONE, 7, Some(noon()), Some(WHOLE)));
}

#[test]
fn an_item_that_cannot_be_decoded_does_not_freeze_a_tenant() {
    let folder = tempfile::tempdir().unwrap();
    let rerun = |rows, ended| rerun(folder.path(), rows, ended);
    assert_eq!(rerun(20, whole(&["acme"])), (WHOLE, 20, None, None));
    assert_eq!(rerun(30, nearly()), (HALF, 30, None, None), "all that can be read is new");
    assert_eq!(rerun(10, nearly()), (HALF, 10, None, None));
    let kept = (HALF, 10, Some(noon()), Some(HALF));
    assert_eq!(rerun(15, short(HALF)), kept, "half of a tenant does not replace what came to its end");
    assert_eq!(rerun(15, short(HALF)), kept, "what is kept is kept on");
    assert_eq!(rerun(0, nearly()), kept, "what is rejected altogether replaces nothing");
    assert_eq!(rerun(3, whole(&["acme"])), (WHOLE, 3, None, None));
}

#[test]
fn what_could_mostly_not_be_decoded_does_not_replace_more() {
    let folder = tempfile::tempdir().unwrap();
    let rerun = |rows, ended| rerun(folder.path(), rows, ended);
    assert_eq!(rerun(20, whole(&["acme"])), (WHOLE, 20, None, None));
    assert_eq!(rerun(1, rejected(19)), (HALF, 20, Some(noon()), Some(WHOLE)));
    assert_eq!(rerun(9, rejected(10)), (HALF, 20, Some(noon()), Some(WHOLE)));
    assert_eq!(rerun(10, rejected(10)), (HALF, 10, None, None), "as many as not");
    assert_eq!(rerun(12, rejected(30)), (HALF, 12, None, None), "no fewer than there were");
}

#[test]
fn a_whole_without_a_row_is_nothing_to_keep() {
    for ended in [short(NONE), short(HALF)] {
        let folder = tempfile::tempdir().unwrap();
        let rerun = |rows, ended| rerun(folder.path(), rows, ended);
        let outcome = ended[0].outcome;
        assert_eq!(rerun(0, whole(&["acme"])), (WHOLE, 0, None, None));
        assert_eq!(rerun(0, ended), (outcome, 0, None, None), "no files are told of that are not there");
    }
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(rerun(folder.path(), 0, whole(&["acme"])), (WHOLE, 0, None, None));
    assert_eq!(rerun(folder.path(), 5, short(HALF)), (HALF, 5, None, None));
}

/// A folder that nobody can look into at the moment: as root, too.
#[cfg(unix)]
#[test]
fn files_that_cannot_be_looked_at_are_not_taken_for_gone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let old = run(folder, &[("acme", 5)], whole(&["acme"]));
    let (rows, aside) = (folder.join("ext/edr-native-alerts"), folder.join("aside"));
    fs::rename(&rows, &aside).unwrap();
    std::os::unix::fs::symlink(&rows, &rows).unwrap();
    for ended in [short(NONE), vec![]] {
        attempt(folder, &[], ended).unwrap_err();
        assert_eq!(hidden(folder), 0);
    }
    fs::remove_file(&rows).unwrap();
    fs::rename(&aside, &rows).unwrap();
    assert_eq!((true_manifest(folder), placed(folder)), (old.clone(), named(&old)));
}

#[test]
fn files_below_what_is_a_folder_no_more_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    run(folder, &[("acme", 5)], whole(&["acme"]));
    let rows = folder.join("ext/edr-native-alerts");
    fs::remove_dir_all(&rows).unwrap();
    fs::write(&rows, "no folder").unwrap();
    let manifest = attempt(folder, &[], short(NONE)).unwrap();
    assert_eq!((manifest.records, manifest.tenants[0].kept, hidden(folder)), (0, None, 0));
    fs::remove_file(&rows).unwrap();
    assert_eq!(rerun(folder, 5, whole(&["acme"])), (WHOLE, 5, None, None));
}

#[test]
fn files_that_were_taken_away_are_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let old = run(folder, &[("acme", 60)], whole(&["acme"]));
    assert!(old.files.len() > 2);
    let (gone, cut) = (&old.files[0], &old.files[1]);
    fs::remove_file(folder.join(&gone.path)).unwrap();
    fs::write(folder.join(&cut.path), "{").unwrap();
    let left = 60 - gone.records - cut.records;
    let part = rerun(folder, 0, short(NONE));
    assert_eq!(
        part,
        (NONE, left, Some(noon()), Some(HALF)),
        "what is left is kept, and is no whole any more"
    );
    fs::remove_dir_all(folder.join("ext")).unwrap();
    assert_eq!(rerun(folder, 5, short(HALF)), (HALF, 5, None, None), "the new rows stand");
}

#[test]
fn a_tenant_that_is_not_asked_any_more_does_not_make_the_rest_partial() {
    let folder = tempfile::tempdir().unwrap();
    let mut ended = whole(&["globex"]);
    ended.extend(short(HALF));
    let both = run(folder.path(), &[("acme", 3), ("globex", 4)], ended);
    assert_eq!((both.outcome, both.tenants[0].not_asked), (HALF, false));
    for _ in 0..2 {
        let manifest = run(folder.path(), &[("globex", 4)], whole(&["globex"]));
        assert_eq!((manifest.outcome, manifest.records), (WHOLE, 7));
        let part = &manifest.tenants[0];
        assert_eq!((part.outcome, part.not_asked, part.kept), (HALF, true, Some(noon())));
    }
    let again = run(folder.path(), &[("acme", 5), ("globex", 4)], whole(&["acme", "globex"]));
    assert_eq!((again.outcome, again.tenants[0].not_asked), (WHOLE, false));
}

#[test]
fn a_demo_and_real_tenants_do_not_share_a_folder() {
    let demo = || Request { demo: true, ..request() };
    for (first, second, says) in [(demo(), request(), "of a demo"), (request(), demo(), "of real tenants")] {
        let folder = tempfile::tempdir().unwrap();
        let export = Export::begin(folder.path(), first.clone(), noon()).unwrap();
        export.finish(whole(&["acme"]), noon(), &|| true).unwrap();
        let refused = Export::begin(folder.path(), second, noon()).unwrap_err().to_string();
        assert!(refused.contains(says), "{refused}");
        assert_eq!(hidden(folder.path()), 0);
        Export::begin(folder.path(), first, noon()).unwrap();
    }
    assert_ne!(demo().batch(), request().batch());
    // A folder that has both already takes neither, in whatever order they are found.
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (folder, request) in [(&folder, request()), (&other, demo())] {
        let export = Export::begin(folder.path(), request, noon()).unwrap();
        export.finish(whole(&["acme"]), noon(), &|| true).unwrap();
    }
    let manifest = format!("manifest/{}.json", demo().batch());
    fs::copy(other.path().join(&manifest), folder.path().join(&manifest)).unwrap();
    for request in [request(), demo()] {
        assert!(Export::begin(folder.path(), request, noon()).is_err());
    }
}
