use super::*;

fn lookup(pairs: &[(&str, &str)]) -> Result<CortexXdr> {
    let find = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
    CortexXdrBuilder::from_lookup("acme", find).and_then(CortexXdrBuilder::build)
}

fn base(cortex: &CortexXdr) -> String {
    cortex.client().http().base().to_string()
}

const FQDN: (&str, &str) = ("CORTEX_XDR_FQDN", "acme.xdr.eu.paloaltonetworks.com");
const ID: (&str, &str) = ("CORTEX_XDR_API_KEY_ID", "7");
const KEY: (&str, &str) = ("CORTEX_XDR_API_KEY", "canary-key");

#[test]
fn variables_name_a_tenant() {
    let cortex = lookup(&[FQDN, ID, KEY]).unwrap();
    assert_eq!(base(&cortex), "https://api-acme.xdr.eu.paloaltonetworks.com/");
    let local = ("CORTEX_XDR_BASE_URL", "http://127.0.0.1:8080/cortex");
    assert_eq!(base(&lookup(&[FQDN, local, ID, KEY]).unwrap()), "http://127.0.0.1:8080/cortex");
    let shared = [
        ("CORTEX_API_BASE_URL", "https://api-acme.xdr.us.paloaltonetworks.com"),
        ("CORTEX_API_KEY_ID", "8"),
        ("CORTEX_API_KEY", "k"),
    ];
    assert_eq!(base(&lookup(&shared).unwrap()), "https://api-acme.xdr.us.paloaltonetworks.com/");
    let standard = lookup(&[FQDN, ID, KEY, ("CORTEX_XDR_KEY_TYPE", "Standard")]).unwrap();
    assert_eq!(standard.client().key_type(), KeyType::Standard);
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    for (pairs, says) in [
        (vec![], "CORTEX_XDR_API_KEY_ID is not set"),
        (vec![("CORTEX_API_KEY", "canary-other")], "CORTEX_XDR_API_KEY_ID is not set"),
        (
            vec![("CORTEX_API_KEY", "canary-other"), ("CORTEX_API_KEY_ID", "8")],
            "CORTEX_XDR_API_KEY_ID is not set",
        ),
        (vec![FQDN, ID], "CORTEX_XDR_API_KEY is not set"),
        (vec![ID, KEY], "CORTEX_XDR_FQDN is not set"),
        (vec![FQDN, ID, KEY, ("CORTEX_XDR_KEY_TYPE", "canary")], "either advanced or standard"),
        (vec![("CORTEX_XDR_FQDN", "10.0.0.1"), ID, KEY], "IP address"),
        (vec![FQDN, ("CORTEX_XDR_API_KEY_ID", "canary-key"), ("CORTEX_XDR_API_KEY", "7")], "not a number"),
        (vec![FQDN, ID, ("CORTEX_XDR_API_KEY", "canary key")], "characters"),
        (vec![("CORTEX_XDR_BASE_URL", "http://acme.example"), ID, KEY], "not an https address"),
        (vec![("CORTEX_XDR_BASE_URL", "acme"), ID, KEY], "not a URL"),
    ] {
        let error = lookup(&pairs).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
}

#[test]
fn settings_are_read_and_refused() {
    assert_eq!(Generation::try_from(5).unwrap().number(), 5);
    assert!(Generation::try_from(4).unwrap_err().to_string().contains("3 or 5"));
    assert_eq!(" ADVANCED ".parse::<KeyType>().unwrap(), KeyType::Advanced);
    assert!(!"canary".parse::<KeyType>().unwrap_err().to_string().contains("canary"));
}

#[test]
fn no_secret_is_shown() {
    let builder =
        CortexXdr::builder("acme", "7", SecretString::from("canary-key")).fqdn(FQDN.1.parse().unwrap());
    let shown = format!("{builder:?}");
    let cortex = builder.build().unwrap();
    let shown = format!("{shown} {cortex:?} {:?}", cortex.client());
    assert!(!shown.contains("canary"), "{shown}");
}
