//! Proxies, authorities and client certificates: the program reaches a simulator that is not on this
//! machine's own address by name, through what stands between.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::support::{Run, Sim, command, run, write_private};

const HOST: &str = "sim.example.test";

/// An authority of the test's own, and what it has signed, as files.
struct Papers {
    ca: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Papers {
    fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
        let papers = Self { ca, folder: folder.to_owned() };
        for name in ["client", "other"] {
            let (certificate, key) = papers.signed(name);
            std::fs::write(papers.folder.join(format!("{name}.pem")), certificate.1).unwrap();
            write_private(&papers.folder.join(format!("{name}.key")), &key.serialize_pem());
        }
        papers
    }

    fn signed(&self, name: &str) -> ((CertificateDer<'static>, String), KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.ca).unwrap();
        ((certificate.der().clone(), certificate.pem()), key)
    }

    fn acceptor(&self, asks_identity: bool) -> TlsAcceptor {
        let ((certificate, _), key) = self.signed(HOST);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.der().clone()).unwrap();
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if asks_identity {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        TlsAcceptor::from(Arc::new(builder.with_single_cert(vec![certificate], key).unwrap()))
    }
}

/// What stands between: a proxy that counts, in front of TLS, in front of the simulator.
struct Between {
    proxy: u16,
    connects: Arc<AtomicUsize>,
    _runtime: tokio::runtime::Runtime,
}

impl Between {
    /// `sims`: the tenants' ports, which the outside knows as 443 and on; `password`: what the proxy demands.
    fn start(acceptor: &TlsAcceptor, sims: Vec<u16>, password: Option<&'static str>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let connects = Arc::new(AtomicUsize::new(0));
        let counted = connects.clone();
        let proxy = runtime.block_on(async move {
            let proxy = listener().await;
            let port = proxy.local_addr().unwrap().port();
            let mut doors = Vec::new();
            for sim in sims {
                let (tls, acceptor) = (listener().await, acceptor.clone());
                doors.push(tls.local_addr().unwrap().port());
                tokio::spawn(async move {
                    while let Ok((stream, _)) = tls.accept().await {
                        tokio::spawn(unwrap_tls(acceptor.clone(), stream, sim));
                    }
                });
            }
            tokio::spawn(async move {
                while let Ok((stream, _)) = proxy.accept().await {
                    tokio::spawn(tunnel(stream, doors.clone(), counted.clone(), password));
                }
            });
            port
        });
        Self { proxy, connects, _runtime: runtime }
    }

    fn connects(&self) -> usize {
        self.connects.swap(0, Ordering::SeqCst)
    }
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn unwrap_tls(acceptor: TlsAcceptor, stream: TcpStream, sim: u16) {
    match acceptor.accept(stream).into_fallible().await {
        Ok(mut inner) => {
            let mut outer = TcpStream::connect(("127.0.0.1", sim)).await.unwrap();
            let _ = copy_bidirectional(&mut inner, &mut outer).await;
        }
        // What the client still sends is read, so that it can read the alert.
        Err((_, mut stream)) => {
            let _ = stream.shutdown().await;
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    }
}

async fn tunnel(mut stream: TcpStream, doors: Vec<u16>, connects: Arc<AtomicUsize>, password: Option<&str>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let wanted = |i: &usize| head.starts_with(&format!("CONNECT {HOST}:{} HTTP/1.1\r\n", 443 + i));
    let door = (0..doors.len()).find(wanted).unwrap_or_else(|| panic!("{head}"));
    connects.fetch_add(1, Ordering::SeqCst);
    let given = head.to_lowercase().contains("proxy-authorization: basic ");
    if password.is_some_and(|p| !given || !head.contains(p)) {
        let _ = stream
            .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            .await;
        return;
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let mut inner = TcpStream::connect(("127.0.0.1", doors[door])).await.unwrap();
    let _ = copy_bidirectional(&mut stream, &mut inner).await;
}

/// Everything together.
struct Stage {
    sim: Sim,
    between: Between,
}

impl Stage {
    fn set(asks_identity: bool, password: Option<&'static str>) -> Self {
        let sim = Sim::serve(&["--falcon-hosts", "12", "--cortex-hosts", "8"], "[]");
        let papers = Papers::new(sim.folder.path());
        let bases: Vec<&str> = sim.ready["tenants"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t["base_url"].as_str().unwrap())
            .collect();
        let port = |base: &&str| base.rsplit(':').next().unwrap().parse::<u16>().unwrap();
        let ports = bases.iter().map(port).collect();
        let between = Between::start(&papers.acceptor(asks_identity), ports, password);
        Self { sim, between }
    }

    fn file(&self, name: &str) -> String {
        self.sim.folder.path().join(name).display().to_string()
    }

    fn proxy(&self, user: &str) -> String {
        format!("http://{user}127.0.0.1:{}", self.between.proxy)
    }

    /// A listing of all hosts by the name that nothing resolves, with this for `[network]`.
    fn command(&self, network: &str) -> Command {
        let path = self.sim.changed(|text| {
            let bases = self.sim.ready["tenants"].as_array().unwrap().iter().enumerate();
            let text = bases.fold(text.to_owned(), |text, (i, tenant)| {
                let base = tenant["base_url"].as_str().unwrap();
                text.replace(base, &format!("https://{HOST}:{}", 443 + i))
            });
            format!("{text}\n[network]\n{network}\n")
        });
        let mut command = command(&["hosts", "list", "-o", "jsonl", "--timeout", "20s", "--config"]);
        command.arg(path);
        command
    }

    fn list(&self, network: &str) -> Run {
        run(&mut self.command(network))
    }

    fn ca(&self) -> String {
        format!("ca_file = '{}'", self.file("ca.pem"))
    }
}

/// All of it came, and no secret with it.
#[track_caller]
fn whole(run: Run) {
    let run = run.ends(0);
    assert_eq!(run.records().len(), 20, "{}", run.err);
    assert!(!run.err.contains("canary"), "{}", run.err);
}

#[test]
fn the_proxy_is_chosen_by_environment_and_configuration() {
    let stage = Stage::set(false, None);
    let ca = stage.ca();
    whole(run(stage.command(&ca).env("HTTPS_PROXY", stage.proxy("canary-user:canary-word@"))));
    assert!(stage.between.connects() > 0);
    whole(run(stage.command(&ca).env("ALL_PROXY", stage.proxy("")).env("EDR_DEBUG", "1")));
    assert!(stage.between.connects() > 0);
    whole(stage.list(&format!("{ca}\nproxy = '{}'", stage.proxy(""))));
    assert!(stage.between.connects() > 0);
    let own = format!("{ca}\nproxy = 'none'");
    for (network, variables) in [(&own, vec![]), (&ca, vec![("NO_PROXY", "example.test")])] {
        let mut direct = stage.command(network);
        direct.env("HTTPS_PROXY", stage.proxy("")).envs(variables).args(["--timeout", "3s"]);
        let run = run(&mut direct);
        assert!(run.code != 0 && run.out.is_empty(), "{}", run.err);
        assert_eq!(stage.between.connects(), 0, "not even asked");
    }
}

#[test]
fn loopback_never_goes_through_a_proxy() {
    let stage = Stage::set(false, None);
    let mut direct = stage.sim.command(&["hosts", "list", "-o", "jsonl"]);
    let all = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"].map(|name| (name, stage.proxy("")));
    whole(run(direct.envs(all)));
    assert_eq!(stage.between.connects(), 0);
}

#[test]
fn a_proxy_that_asks_for_a_password_gets_it_and_nobody_else() {
    // What `ann:canary` is in base64.
    let stage = Stage::set(false, Some("YW5uOmNhbmFyeQ=="));
    let ca = stage.ca();
    let inside = format!("{ca}\nproxy = '{}'", stage.proxy("ann:canary@"));
    for extra in [&[][..], &["-vv"], &["--debug"]] {
        let run = run(stage.command(&inside).args(extra)).ends(0);
        assert!(!run.err.contains("canary") && !run.err.contains("YW5u"), "{extra:?}: {}", run.err);
    }
    let apart = format!("{ca}\nproxy = '{}'\nproxy_password = {{ env = 'PROXY_WORD' }}", stage.proxy("ann@"));
    whole(run(stage.command(&apart).env("PROXY_WORD", "canary")));
    let named = format!("{ca}\nproxy = {{ env = 'PROXY' }}");
    whole(run(stage.command(&named).env("PROXY", stage.proxy("ann:canary@"))));
    let wrong = run(stage.command(&apart).env("PROXY_WORD", "canary-wrong").arg("-vv"));
    assert_ne!(wrong.code, 0);
    assert!(wrong.err.contains("the proxy asks for credentials"), "{}", wrong.err);
    assert!(wrong.err.contains("proxy_password") && !wrong.err.contains("canary"), "{}", wrong.err);
}

#[test]
fn an_authority_of_ones_own_is_trusted_where_it_is_named() {
    let stage = Stage::set(false, None);
    let through = format!("proxy = '{}'", stage.proxy(""));
    let refused = stage.list(&through).ends(1);
    for says in ["TLS", "not trusted here", "ca_file", "EDR_CA_FILE"] {
        assert!(refused.err.contains(says), "{says}: {}", refused.err);
    }
    for variable in ["EDR_CA_FILE", "SSL_CERT_FILE"] {
        whole(run(stage.command(&through).env(variable, stage.file("ca.pem"))));
    }
    let absent = run(stage.command(&through).env("EDR_CA_FILE", "/nonexistent/ca.pem")).ends(1);
    assert!(absent.err.contains("EDR_CA_FILE /nonexistent/ca.pem cannot be read"), "{}", absent.err);
    let own = format!("{through}\n[tenants.falcon-1.network]\nca_file = '{}'", stage.file("ca.pem"));
    let half = stage.list(&own).ends(3);
    assert_eq!(half.records().len(), 12, "the tenant that names it: {}", half.err);
}

#[test]
fn a_client_certificate_is_shown_to_a_server_that_asks() {
    let stage = Stage::set(true, None);
    let network = format!("{}\nproxy = '{}'", stage.ca(), stage.proxy(""));
    let refused = stage.list(&network).ends(1);
    assert!(refused.err.contains("asks for a client certificate"), "{}", refused.err);
    assert!(refused.err.contains("client_certificate and client_key"), "{}", refused.err);
    let with = |certificate: &str, key: &str| {
        let (certificate, key) = (stage.file(certificate), stage.file(key));
        stage.list(&format!("{network}\nclient_certificate = '{certificate}'\nclient_key = '{key}'"))
    };
    whole(with("client.pem", "client.key"));
    let both = ["client.pem", "client.key"].map(|f| std::fs::read_to_string(stage.file(f)).unwrap()).concat();
    write_private(Path::new(&stage.file("both.pem")), &both);
    whole(stage.list(&format!("{network}\nclient_certificate = '{}'", stage.file("both.pem"))));
    let crossed = with("client.pem", "other.key").ends(1);
    for says in ["falcon-1", "client.pem", "other.key", "does not belong"] {
        assert!(crossed.err.contains(says), "{says}: {}", crossed.err);
    }
    std::fs::set_permissions(stage.file("client.key"), std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .unwrap();
    let open = with("client.pem", "client.key").ends(0);
    assert!(open.err.contains("client.key can be read by others (mode 644)"), "{}", open.err);
}
