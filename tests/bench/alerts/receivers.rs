//! Receivers of every kind on this machine, each of which takes its time over every message.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// How long a receiver takes over each message.
const SLOW: Duration = Duration::from_millis(50);

/// How many messages each kind got.
type Posts = Arc<Mutex<BTreeMap<&'static str, u32>>>;

pub(crate) struct Receivers {
    certificate: PathBuf,
    plain: u16,
    encrypted: u16,
    mail: u16,
    posts: Posts,
    _runtime: Runtime,
}

#[derive(Clone, Copy)]
enum Speaks {
    Http,
    Smtp,
}

impl Receivers {
    /// Starts them; their certificate is put into `dir`.
    pub(crate) fn start(dir: &Path) -> Self {
        // Whoever installs a provider first has installed this one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let names = vec!["localhost".to_owned()];
        let key = rcgen::generate_simple_self_signed(names).unwrap();
        let certificate = dir.join("receivers.pem");
        std::fs::write(&certificate, key.cert.pem()).unwrap();
        let signing = PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
        let tls = rustls::ServerConfig::builder().with_no_client_auth();
        let tls = tls.with_single_cert(vec![key.cert.der().clone()], signing).unwrap();
        let tls = TlsAcceptor::from(Arc::new(tls));
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        let posts = Posts::default();
        let open = |speaks, tls: Option<&TlsAcceptor>| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            runtime.spawn(serve(listener, speaks, tls.cloned(), Arc::clone(&posts)));
            port
        };
        let (plain, encrypted) = (open(Speaks::Http, None), open(Speaks::Http, Some(&tls)));
        let mail = open(Speaks::Smtp, Some(&tls));
        Self { certificate, plain, encrypted, mail, posts, _runtime: runtime }
    }

    pub(crate) fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// The section of the settings with a channel of every kind, whose keys all lie in one file.
    pub(crate) fn channels(&self, key: &Path) -> String {
        let Self { plain, encrypted, mail, certificate, .. } = self;
        let (key, certificate) = (key.display(), certificate.display());
        format!(
            "  duty: {{kind: webhook, url: \"https://localhost:{encrypted}/webhook\", \
             secret_file: {key}}}
  cluster: {{kind: alertmanager, urls: [\"http://127.0.0.1:{plain}\"]}}
  mail: {{kind: email, host: localhost, port: {mail}, security: tls, ca_file: {certificate}, \
             user: truc, password_file: {key}, from: a@b.example, to: [truc@tinh.example, \
             phong@tinh.example]}}
  zalo: {{kind: zalo, app_id: '1', secret_key_file: {key}, refresh_token_file: {key}, \
             groups: [g1, g2], users: [u1], base_url: \"https://localhost:{encrypted}\", \
             oauth_url: \"https://localhost:{encrypted}\"}}
  telegram: {{kind: telegram, token_file: {key}, chats: [1, 2, 3], \
             base_url: \"https://localhost:{encrypted}\"}}
  sms: {{kind: sms, gateway: esms, to: ['0912 345 678', '0912 345 679'], api_key_file: {key}, \
             secret_key_file: {key}, brandname: X, base_url: \"http://127.0.0.1:{plain}\"}}
  modem: {{kind: sms, gateway: http, to: ['0912 345 678'], \
             url: \"http://127.0.0.1:{plain}/modem?to={{phone}}&text={{text}}\"}}
  siren: {{kind: exec, program: /bin/sh, args: [-c, 'cat > /dev/null; sleep 0.05']}}
"
        )
    }

    /// Says how many messages each got.
    pub(crate) fn print(&self) {
        let posts = self.posts.lock().unwrap();
        let mut text = String::new();
        for (kind, count) in &*posts {
            let _ = write!(text, "{}{count} {kind}", if text.is_empty() { "" } else { ", " });
        }
        println!("posts to receivers that take {} ms for each: {text}", SLOW.as_millis());
    }
}

async fn serve(listener: TcpListener, speaks: Speaks, tls: Option<TlsAcceptor>, posts: Posts) {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, posts) = (tls.clone(), Arc::clone(&posts));
        tokio::spawn(async move {
            // Whoever goes away in the middle is none of ours.
            match tls {
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => talk(stream, speaks, posts).await,
                    Err(_) => None,
                },
                None => talk(stream, speaks, posts).await,
            }
        });
    }
}

async fn talk<S>(stream: S, speaks: Speaks, posts: Posts) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    match speaks {
        Speaks::Smtp => smtp(stream, &posts).await,
        Speaks::Http => {
            let answer = hyper::service::service_fn(|asked| answer(asked, Arc::clone(&posts)));
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await
                .ok()
        }
    }
}

async fn answer(
    asked: Request<Incoming>,
    posts: Posts,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = asked.uri().path().to_owned();
    // What it says is read to its end, as a receiver would.
    let _ = asked.into_body().collect().await;
    let (kind, text) = match path.as_str() {
        "/webhook" => ("webhook", ""),
        "/modem" => ("sms by a gateway", ""),
        path if path.starts_with("/api/v2") => ("alertmanager", ""),
        path if path.starts_with("/v4/oa/access_token") => (
            "zalo token",
            r#"{"access_token": "a", "refresh_token": "bi-mat-cua-thu-2", "expires_in": "90000"}"#,
        ),
        path if path.starts_with("/v3.0") => ("zalo", r#"{"error": 0, "message": "Success"}"#),
        path if path.starts_with("/bot") => ("telegram", r#"{"ok": true}"#),
        _ => ("sms by eSMS", r#"{"CodeResult": "100"}"#),
    };
    *posts.lock().unwrap().entry(kind).or_default() += 1;
    tokio::time::sleep(SLOW).await;
    Ok(Response::new(Full::new(Bytes::from_static(text.as_bytes()))))
}

/// A submission server that takes whatever it is given (RFC 5321, section 4.1).
async fn smtp<S: AsyncRead + AsyncWrite + Unpin>(stream: S, posts: &Posts) -> Option<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 mail.example\r\n").await.ok()?;
    stream.flush().await.ok()?;
    let (mut line, mut in_mail) = (Vec::new(), false);
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await.ok()? == 0 {
            return None;
        }
        let said = String::from_utf8_lossy(&line).trim_end().to_uppercase();
        let reply: &[u8] = match said.as_str() {
            "." if in_mail => {
                in_mail = false;
                *posts.lock().unwrap().entry("mail").or_default() += 1;
                tokio::time::sleep(SLOW).await;
                b"250 kept\r\n"
            }
            _ if in_mail => continue,
            "DATA" => {
                in_mail = true;
                b"354 go on\r\n"
            }
            "QUIT" => b"221 bye\r\n",
            said if said.starts_with("EHLO") => b"250-mail.example\r\n250 AUTH PLAIN LOGIN\r\n",
            said if said.starts_with("AUTH") => b"235 welcome\r\n",
            _ => b"250 well\r\n",
        };
        stream.write_all(reply).await.ok()?;
        stream.flush().await.ok()?;
    }
}
