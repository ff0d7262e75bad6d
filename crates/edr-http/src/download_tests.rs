use std::sync::Mutex;
use std::time::Duration;

use futures_util::StreamExt as _;

use super::*;
use crate::testing::{READ, client_of};
use crate::transport::{TransportError, TransportErrorKind};
use crate::{BodyStream, MemoryTransport};

/// What a server does with a request; `None` for what it does by itself.
type Mishap = fn(usize) -> Option<Act>;

enum Act {
    /// Breaks off after so many bytes.
    Breaks(usize),
    /// Brings the bytes of another version.
    Changed,
    /// Brings it packed, which nobody asked for.
    Packed,
    /// Ends the body too early, without an error.
    Ends(usize),
    /// Answers so, with this type and body.
    Says(u16, &'static str, &'static str),
    /// Never goes on after so many bytes.
    Stalls(usize),
}

struct Server {
    content: Vec<u8>,
    tag: Option<&'static str>,
    ranges: bool,
    mishap: Mishap,
    asked: Mutex<Vec<Option<String>>>,
}

fn content() -> Vec<u8> {
    (0..1_000_000_u32).map(|n| (n % 251) as u8).collect()
}

fn sha(bytes: &[u8]) -> String {
    Digest(Sha256::digest(bytes).into()).to_string()
}

impl Server {
    fn new(mishap: Mishap) -> Self {
        Self { content: content(), tag: Some("\"one\""), ranges: true, mishap, asked: Mutex::default() }
    }

    fn answer(&self, request: &http::Request<Bytes>) -> Result<http::Response<BodyStream>, TransportError> {
        let header =
            |name: http::HeaderName| request.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
        let range = header(header::RANGE);
        let turn = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(range.clone());
            asked.len() - 1
        };
        assert_eq!(header(header::ACCEPT_ENCODING).as_deref(), Some("identity"));
        let act = (self.mishap)(turn);
        let packs = matches!(act, Some(Act::Packed));
        let same = header(header::IF_RANGE).is_none_or(|tag| Some(tag.as_str()) == self.tag);
        let from = range.filter(|_| self.ranges && same);
        let from = from.and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
        let total = self.content.len();
        if from.is_some_and(|from| from >= total) {
            let mut answer = MemoryTransport::json(416, "").unwrap();
            answer.headers_mut().insert(header::CONTENT_RANGE, format!("bytes */{total}").parse().unwrap());
            return Ok(answer);
        }
        let mut body = self.content[from.unwrap_or(0)..].to_vec();
        let length = body.len();
        let mut last: Vec<Result<Bytes, TransportError>> = Vec::new();
        let mut stalls = false;
        match act {
            Some(Act::Says(status, kind, text)) => {
                let mut answer = MemoryTransport::json(status, text)?;
                answer.headers_mut().insert(header::CONTENT_TYPE, kind.parse().unwrap());
                answer.headers_mut().insert(header::LOCATION, "https://evil.example/x".parse().unwrap());
                return Ok(answer);
            }
            Some(Act::Breaks(after)) => {
                body.truncate(after);
                last.push(Err(TransportError::new(TransportErrorKind::Body)));
            }
            Some(Act::Ends(after)) => body.truncate(after),
            Some(Act::Stalls(after)) => {
                body.truncate(after);
                stalls = true;
            }
            Some(Act::Packed) | None => {}
            Some(Act::Changed) => body.iter_mut().for_each(|b| *b ^= 1),
        }
        let pieces: Vec<_> = body.chunks(10_000).map(|c| Ok(Bytes::copy_from_slice(c))).chain(last).collect();
        let mut answer = MemoryTransport::pieces(if from.is_some() { 206 } else { 200 }, pieces)?;
        if stalls {
            answer = answer.map(|body| body.chain(futures_util::stream::pending()).boxed());
        }
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, "application/octet-stream".parse().unwrap());
        headers.insert(header::CONTENT_LENGTH, length.into());
        if packs {
            headers.insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
        }
        self.tag.map(|tag| headers.insert(header::ETAG, tag.parse().unwrap()));
        if let Some(from) = from {
            let range = format!("bytes {from}-{}/{total}", total - 1);
            headers.insert(header::CONTENT_RANGE, range.parse().unwrap());
        }
        Ok(answer)
    }
}

struct Scene {
    folder: tempfile::TempDir,
    server: Arc<Server>,
    client: HttpClient,
}

impl Scene {
    fn new(server: Server) -> Self {
        let server = Arc::new(server);
        let answers = server.clone();
        let client = client_of(MemoryTransport::new(move |request| {
            let answer = answers.answer(&request);
            async move { answer }
        }));
        Self { folder: tempfile::tempdir().unwrap(), server, client }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn to(&self) -> Download {
        Download::to(self.path("sensor.deb"))
    }

    async fn run(&self, to: &Download) -> Result<Downloaded> {
        self.client.download_to(&RequestPlan::get(&READ, "/sensor"), to).await
    }

    fn asked(&self) -> Vec<Option<String>> {
        std::mem::take(&mut self.server.asked.lock().unwrap())
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn is_there(&self) -> bool {
        self.names() == ["sensor.deb"] && std::fs::read(self.path("sensor.deb")).unwrap() == content()
    }
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|text| (!text.is_empty()).then(|| (*text).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_download_is_whole_under_its_name() {
    let scene = Scene::new(Server::new(|_| None));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let to = scene.to().sha256(&sha(&content()).to_uppercase()).unwrap().size(1_000_000);
    let to = to.watch(move |there, of| log.lock().unwrap().push((there, of)));
    let done = scene.run(&to).await.unwrap();
    assert_eq!((done.bytes, done.kept, done.sha256), (1_000_000, 0, sha(&content())));
    assert!(scene.is_there());
    assert_eq!(seen.lock().unwrap().last(), Some(&(1_000_000, Some(1_000_000))));
    assert!(seen.lock().unwrap().len() >= 4);
    scene.asked();
    assert_eq!(scene.run(&to).await.unwrap().kept, 1_000_000, "what is there is not asked for again");
    assert_eq!(scene.asked(), []);
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn the_file_is_the_owners_alone_and_no_link_is_followed() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::new(Server::new(|_| None));
    std::os::unix::fs::symlink(scene.path("victim"), scene.path("sensor.deb.part")).unwrap();
    let error = scene.run(&scene.to()).await.unwrap_err();
    assert!(error.to_string().contains("sensor.deb.part is in the way: it is a link"), "{error}");
    assert!(!scene.path("victim").exists());
    assert_eq!(scene.asked(), []);
    std::fs::remove_file(scene.path("sensor.deb.part")).unwrap();
    scene.run(&scene.to()).await.unwrap();
    assert_eq!(std::fs::metadata(scene.path("sensor.deb")).unwrap().permissions().mode() & 0o777, 0o600);
}

/// A part that an earlier run left, which the hash would let us go on with.
#[cfg(unix)]
fn left(scene: &Scene, mode: u32) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let part = scene.path("sensor.deb.part");
    std::fs::write(&part, &content()[..300_000]).unwrap();
    std::fs::set_permissions(&part, std::fs::Permissions::from_mode(mode)).unwrap();
    part
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_part_that_others_may_write_to_is_begun_anew() {
    use std::os::unix::fs::PermissionsExt as _;
    for (mode, linked, expected) in
        [(0o600, false, 300_000), (0o620, false, 0), (0o602, false, 0), (0o600, true, 0)]
    {
        let scene = Scene::new(Server::new(|_| None));
        let part = left(&scene, mode);
        if linked {
            std::fs::hard_link(&part, scene.path("other")).unwrap();
        }
        // Whoever has it open writes into a file that is nobody's any more.
        let held = std::fs::OpenOptions::new().write(true).open(&part).unwrap();
        let done = scene.run(&scene.to().sha256(&sha(&content())).unwrap()).await.unwrap();
        assert_eq!((done.kept, done.sha256), (expected, sha(&content())), "{mode:o} {linked}");
        if expected == 0 {
            std::io::Write::write_all(&mut &held, b"poison").unwrap();
        }
        assert_eq!(std::fs::read(scene.path("sensor.deb")).unwrap(), content());
        let mode = std::fs::metadata(scene.path("sensor.deb")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_note_that_others_may_write_to_says_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::new(Server::new(|n| (n == 0).then_some(Act::Stalls(300_000))));
    tokio::time::timeout(Duration::from_secs(5), scene.run(&scene.to())).await.unwrap_err();
    std::fs::set_permissions(scene.path("sensor.deb.part.note"), std::fs::Permissions::from_mode(0o666))
        .unwrap();
    assert_eq!(scene.run(&scene.to()).await.unwrap().kept, 0);
    assert!(scene.is_there());
    assert_eq!(scene.asked(), some(&["", ""]));
}

#[tokio::test(start_paused = true)]
async fn a_packed_rest_is_joined_to_nothing() {
    // The second answer is packed by something on the way, and bears the length and the tag of the whole.
    let scene = Scene::new(Server::new(|n| match n {
        0 => Some(Act::Breaks(300_000)),
        1 => Some(Act::Packed),
        _ => None,
    }));
    let done = scene.run(&scene.to()).await.unwrap();
    assert_eq!(done.sha256, sha(&content()));
    assert!(scene.is_there());
    assert_eq!(scene.asked(), some(&["", "bytes=300000-", ""]));
}

#[tokio::test(start_paused = true)]
async fn a_whole_that_is_packed_is_no_file() {
    let scene = Scene::new(Server::new(|_| Some(Act::Packed)));
    let error = scene.run(&scene.to()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.to_string().contains("the answer is packed (gzip)"), "{error}");
    assert!(!scene.path("sensor.deb").exists());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_costs_only_the_rest() {
    let broken: [Mishap; 3] = [
        |n| (n < 3).then_some(Act::Breaks(300_000)),
        |n| (n < 3).then_some(Act::Ends(300_000)),
        |n| (n < 3).then_some(Act::Stalls(300_000)),
    ];
    for mishap in broken {
        for (tag, hash) in [(Some("\"one\""), false), (None, true), (Some("\"one\""), true)] {
            let scene = Scene::new(Server { tag, ..Server::new(mishap) });
            let to = if hash { scene.to().sha256(&sha(&content())).unwrap() } else { scene.to() };
            scene.run(&to).await.unwrap();
            assert!(scene.is_there());
            assert_eq!(scene.asked(), some(&["", "bytes=300000-", "bytes=600000-", "bytes=900000-"]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_joined_that_may_be_of_two_versions() {
    for tag in [None, Some("W/\"weak\"")] {
        let scene = Scene::new(Server { tag, ..Server::new(|n| (n == 0).then_some(Act::Breaks(300_000))) });
        scene.run(&scene.to()).await.unwrap();
        assert!(scene.is_there());
        assert_eq!(scene.asked(), some(&["", ""]));
    }
}

#[tokio::test(start_paused = true)]
async fn more_failures_than_attempts_do_not_end_what_comes_on() {
    let scene = Scene::new(Server::new(|n| (n < 3).then_some(Act::Breaks(300_000))));
    let policy = crate::RetryPolicy { max_attempts: 2, ..Default::default() };
    let scene = Scene { client: patient(&scene, policy), ..scene };
    scene.run(&scene.to()).await.unwrap();
    assert!(scene.is_there());
}

fn patient(scene: &Scene, policy: crate::RetryPolicy) -> HttpClient {
    let answers = scene.server.clone();
    let transport = MemoryTransport::new(move |request| {
        let answer = answers.answer(&request);
        async move { answer }
    });
    let base = url::Url::parse("https://api.example").unwrap();
    let dialect = Arc::new(crate::testing::Plain);
    HttpClient::builder("acme".into(), "v".into(), base, Arc::new(transport), dialect)
        .unwrap()
        .policy(policy)
        .build()
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_given_up_is_gone_on_with() {
    for hash in [false, true] {
        let scene = Scene::new(Server::new(|n| (n == 0).then_some(Act::Stalls(300_000))));
        let to = if hash { scene.to().sha256(&sha(&content())).unwrap() } else { scene.to() };
        let dropped = tokio::time::timeout(Duration::from_secs(5), scene.run(&to)).await;
        assert!(dropped.is_err());
        assert_eq!(scene.names(), ["sensor.deb.part", "sensor.deb.part.note"]);
        let there = std::fs::metadata(scene.path("sensor.deb.part")).unwrap().len();
        assert!(there >= 256 << 10, "{there}");
        let done = scene.run(&to).await.unwrap();
        assert_eq!((done.bytes, done.kept), (1_000_000, there));
        assert!(scene.is_there());
        assert_eq!(scene.asked(), some(&["", &format!("bytes={there}-")]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_of_something_else_is_thrown_away() {
    let scene = Scene::new(Server::new(|_| None));
    std::fs::write(scene.path("sensor.deb.part"), "of who knows what").unwrap();
    scene.run(&scene.to()).await.unwrap();
    assert!(scene.is_there());
    assert_eq!(scene.asked(), some(&[""]));
    std::fs::write(scene.path("sensor.deb.part"), "of who knows what").unwrap();
    std::fs::remove_file(scene.path("sensor.deb")).unwrap();
    let done = scene.run(&scene.to().sha256(&sha(&content())).unwrap()).await.unwrap();
    assert!(scene.is_there() && done.kept == 0);
    assert_eq!(scene.asked(), some(&["bytes=17-", ""]), "the hash says that the two do not belong together");
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_whole_needs_no_more() {
    for (size, asked) in [(true, vec![]), (false, vec![Some("bytes=1000000-".to_owned())])] {
        let scene = Scene::new(Server::new(|_| None));
        std::fs::write(scene.path("sensor.deb.part"), content()).unwrap();
        let to = scene.to().sha256(&sha(&content())).unwrap();
        scene.run(&if size { to.size(1_000_000) } else { to }).await.unwrap();
        assert!(scene.is_there());
        assert_eq!(scene.asked(), asked);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_knows_no_ranges_or_has_another_version_sends_all() {
    let server = || Server::new(|n| (n == 0).then_some(Act::Breaks(300_000)));
    let scene = Scene::new(Server { ranges: false, ..server() });
    scene.run(&scene.to()).await.unwrap();
    assert!(scene.is_there());
    assert_eq!(scene.asked(), some(&["", "bytes=300000-"]));
    // An earlier run left bytes of another version.
    let scene = Scene::new(Server { tag: Some("\"old\""), ..Server::new(|_| Some(Act::Stalls(300_000))) });
    assert!(tokio::time::timeout(Duration::from_secs(5), scene.run(&scene.to())).await.is_err());
    let newer = Arc::new(Server::new(|_| None));
    let scene = Scene { server: newer.clone(), ..scene };
    let client = patient(&scene, crate::RetryPolicy::default());
    let scene = Scene { client, ..scene };
    scene.run(&scene.to()).await.unwrap();
    assert!(scene.is_there());
}

#[tokio::test(start_paused = true)]
async fn wrong_bytes_never_get_the_name() {
    let scene = Scene::new(Server::new(|_| Some(Act::Changed)));
    std::fs::write(scene.path("sensor.deb"), "the old one").unwrap();
    let to = scene.to().sha256(&sha(&content())).unwrap();
    let error = scene.run(&to).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    let told = error.to_string();
    assert!(told.contains("acme (v): ReadThing") && told.contains(&sha(&content())), "{told}");
    assert_eq!(scene.asked().len(), 1);
    assert_eq!(scene.names(), ["sensor.deb"]);
    assert_eq!(std::fs::read(scene.path("sensor.deb")).unwrap(), b"the old one");
}

#[tokio::test(start_paused = true)]
async fn another_size_is_refused_before_it_is_read() {
    let scene = Scene::new(Server::new(|_| None));
    let error = scene.run(&scene.to().size(5)).await.unwrap_err();
    assert!(error.to_string().contains("offers 1000000 bytes, and 5 are expected"), "{error}");
    assert!(!scene.path("sensor.deb").exists());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_file_is_not_taken_for_one() {
    for (act, kind) in [
        ((|_| Some(Act::Says(302, "text/html", ""))) as Mishap, ErrorKind::InvalidRequest),
        (|_| Some(Act::Says(200, "text/html; charset=utf-8", "<html>log in</html>")), ErrorKind::Decode),
        (|_| Some(Act::Says(200, "application/json", "{\"err\":1}")), ErrorKind::Vendor),
        (|_| Some(Act::Says(206, "application/octet-stream", "x")), ErrorKind::Decode),
        (|_| Some(Act::Says(416, "application/octet-stream", "x")), ErrorKind::Decode),
        (|_| Some(Act::Says(404, "application/json", "{}")), ErrorKind::InvalidRequest),
    ] {
        let scene = Scene::new(Server::new(act));
        let error = scene.run(&scene.to()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!scene.path("sensor.deb").exists());
    }
    let scene = Scene::new(Server::new(|_| Some(Act::Says(200, "application/json", "[1,2]"))));
    assert_eq!(scene.run(&scene.to()).await.unwrap().bytes, 5, "a file may be JSON");
}

#[tokio::test(start_paused = true)]
async fn an_error_says_what_is_there_and_what_to_do() {
    let scene = Scene::new(Server::new(|n| Some(if n == 0 { Act::Breaks(600_000) } else { Act::Breaks(0) })));
    let error = scene.run(&scene.to()).await.unwrap_err();
    let hint = error.hint().unwrap();
    assert!(
        hint.starts_with("600000 of 1000000 bytes are in ") && hint.ends_with("it goes on from there"),
        "{hint}"
    );
    assert_eq!(scene.names(), ["sensor.deb.part", "sensor.deb.part.note"]);
    let nowhere = Download::to(scene.path("no/such/folder"));
    let error = scene.run(&nowhere).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.hint().unwrap().contains("a folder that is there"), "{error}");
    assert!(
        scene.run(&Download::to(scene.folder.path())).await.unwrap_err().to_string().contains("a folder")
    );
    assert!(scene.to().sha256("abc").is_err() && scene.to().sha256(&"é".repeat(32)).is_err());
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn two_runs_do_not_write_one_file() {
    let scene = Scene::new(Server::new(|n| (n == 0).then_some(Act::Stalls(300_000))));
    let to = scene.to();
    let first = scene.run(&to);
    let second = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        scene.run(&to).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(second.unwrap_err().kind(), ErrorKind::Conflict);
    assert!(first.is_ok() && scene.is_there());
}
