//! Indicators by the common contract: what is sent, and what an answer means for each of them.

use edr_core::{Answer, EdrProvider as _, Ioc, IocAction, IocType, Receipt, Severity};
use serde_json::json;

use crate::common::{error, ok, tenant};

fn domains(names: &[&str]) -> Vec<Ioc> {
    let one = |name: &&str| {
        let mut ioc = Ioc::of(IocType::Domain, *name, IocAction::Detect);
        ioc.severity = Severity::Low;
        ioc
    };
    names.iter().map(one).collect()
}

fn digest(byte: u8) -> String {
    format!("{byte:02x}").repeat(32)
}

fn words(receipts: &[Receipt]) -> Vec<&'static str> {
    let word = |answer: &Answer| match answer {
        Answer::Accepted => "accepted",
        Answer::Already => "already",
        Answer::Refused(error) => error.kind().as_str(),
        _ => "unknown",
    };
    receipts.iter().map(|r| word(&r.answer)).collect()
}

#[tokio::test(start_paused = true)]
async fn errors_of_single_rows_beside_a_success_are_theirs_alone() {
    for (named, expected) in [
        (json!("B.Example"), ["accepted", "invalid_request", "accepted"]),
        (json!(null), ["unknown", "unknown", "unknown"]),
        (json!("another.example"), ["unknown", "unknown", "unknown"]),
    ] {
        let fault = json!({"indicator": named, "error": "Got type: DOMAIN_NAME, mismatch"});
        let (cortex, log) =
            tenant(move |_| ok(&json!({"reply": {"success": true, "validation_errors": [fault]}})));
        let receipts = cortex.push_iocs(&domains(&["a.example", "b.example", "c.example"])).await.unwrap();
        assert_eq!(words(&receipts), expected, "{named}");
        let said = receipts.iter().filter_map(|r| match &r.answer {
            Answer::Refused(error) | Answer::Unknown(error) => Some(error.to_string()),
            _ => None,
        });
        assert!(said.into_iter().all(|text| text.contains("mismatch")), "{receipts:?}");
        assert_eq!(log.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_on_either_list_is_in_doubt_whether_some_or_all_are() {
    let files = [digest(0xa1), digest(0xb2)].map(|d| Ioc::of(IocType::Sha256, d, IocAction::Block));
    let (cortex, _) = tenant(|_| {
        let reply = json!({"added_hashes": [digest(0xa1)], "excluded_hashes": [digest(0xb2)]});
        ok(&json!({"reply": reply}))
    });
    let some = cortex.push_iocs(&files).await.unwrap();
    assert_eq!(words(&some), ["accepted", "unknown"]);
    let (cortex, log) = tenant(|_| {
        let extra = "All hashes have already been added to the allow or block list";
        let reply = json!({"err_code": 500, "err_msg": "An error occurred while processing XDR public API", "err_extra": extra});
        edr_http::MemoryTransport::json(500, &json!({"reply": reply}).to_string())
    });
    let all = cortex.push_iocs(&files).await.unwrap();
    assert_eq!((words(&all), log.len()), (vec!["unknown", "unknown"], 1));
    for receipt in [&some[1], &all[0]] {
        let Answer::Unknown(error) = &receipt.answer else { panic!("{receipt:?}") };
        assert!(error.is_outcome_unknown() && error.to_string().contains("does not say on which"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn taking_files_off_is_cut_until_it_is_clear_which_was_not_on_the_list() {
    let (cortex, log) = tenant(|seen| match seen.data["hash_list"].to_string().contains("b2b2") {
        true => error(500, "The hash does not exist on the block list"),
        false => ok(&json!({"reply": true})),
    });
    let uids = [0xa1, 0xb2, 0xc3].map(|byte| format!("blocklist:{}", digest(byte)));
    let receipts = cortex.delete_iocs(&uids).await.unwrap();
    assert_eq!(words(&receipts), ["accepted", "already", "accepted"]);
    assert!(receipts.iter().zip(&uids).all(|(r, uid)| r.uid == *uid));
    assert_eq!(log.paths()[0], "v1/hash_exceptions/blocklist/remove");
}
