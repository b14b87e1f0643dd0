//! Requests whose answer is read: services that say in the body what became of a message.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap};

use super::{Http, points_to, redirected, retry, unanswered};
use crate::model::WebAddress;
use crate::model::encoded;
use crate::notify::secret::Secret;
use crate::notify::{DeliveryError, Retry};

/// Most bytes of an answer that are read. The services answer with a few hundred.
const LONGEST: usize = 64 * 1024;
/// Characters of an answer that are told.
const EXCERPT_CHARS: usize = 160;

/// What is asked.
#[derive(Debug)]
pub(in crate::notify) struct Request {
    /// Where. Holds keys with some services.
    pub(in crate::notify) url: WebAddress,
    /// With which headers, besides the kind of body.
    pub(in crate::notify) headers: HeaderMap,
    /// With which body.
    pub(in crate::notify) body: Body,
}

/// The body of a request.
pub(in crate::notify) enum Body {
    /// None: a GET.
    None,
    /// JSON, sent by POST.
    Json(serde_json::Value),
    /// A form, sent by POST.
    Form(Vec<(String, String)>),
}

/// Bodies hold keys with some services.
impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Json(_) => "Json(***)",
            Self::Form(_) => "Form(***)",
        })
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::notify) struct Answer {
    /// The status.
    pub(in crate::notify) status: u16,
    /// Whether the status says that it may be tried again, if it is no success.
    pub(in crate::notify) retry: Retry,
    /// The body, as text.
    pub(in crate::notify) body: String,
    /// The origin that it points to, if it is a redirect that names one.
    pub(in crate::notify) points_to: Option<String>,
}

impl Answer {
    /// Whether the status is 2xx.
    pub(in crate::notify) const fn is_success(&self) -> bool {
        self.status / 100 == 2
    }

    /// What is told of an answer that the service's documents do not explain. `secrets` are what
    /// the request held and the answer may repeat.
    pub(in crate::notify) fn unexplained(
        &self,
        url: &WebAddress,
        secrets: &[&Secret],
    ) -> DeliveryError {
        if self.status / 100 == 3 {
            let text = redirected(url, &self.status, self.points_to.as_deref());
            return DeliveryError { retry: self.retry, text };
        }
        let mut text = format!("{} answers {}", url.origin(), self.status);
        if self.is_success() {
            text.push_str(", which is no acceptance");
        }
        let excerpt = repeatable(&self.body, url, secrets);
        if !excerpt.is_empty() {
            text.push_str(": ");
            text.push_str(&excerpt);
        }
        // A success that is not understood comes from something in between, such as a log-in page.
        let retry = if self.is_success() { Retry::Later } else { self.retry };
        DeliveryError { retry, text }
    }
}

/// The beginning of a text in one line of printable characters.
pub(in crate::notify) fn one_line(text: &str) -> String {
    let words =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    // Enough words to fill the line, so that a large body is not copied first.
    let words: Vec<&str> = words.take(EXCERPT_CHARS).collect();
    words.join(" ").chars().take(EXCERPT_CHARS).collect()
}

/// What may be repeated of what another says: the beginning in one line, without what must not be
/// seen. It is cut last, since half a key is no longer found.
pub(in crate::notify) fn repeatable(text: &str, url: &WebAddress, secrets: &[&Secret]) -> String {
    let clean = secrets.iter().fold(text.to_owned(), |text, secret| secret.scrub(&text));
    one_line(&url.scrub(&clean))
}

impl Http {
    /// What time it is for people and for tokens that end.
    pub(in crate::notify) fn now(&self) -> Timestamp {
        self.clock.now().wall
    }

    /// Asks and reads the answer whole, up to a bound.
    ///
    /// # Errors
    /// When there was no answer within `limit`. Any status is an answer. The text names scheme,
    /// host and port of the address and nothing else of it.
    pub(in crate::notify) async fn exchange(
        &self,
        request: Request,
        limit: Duration,
    ) -> Result<Answer, DeliveryError> {
        let Request { url, headers, body } = request;
        let client = self.client()?;
        let builder = match body {
            Body::None => client.get(url.reveal()),
            Body::Json(value) => client
                .post(url.reveal())
                .header(CONTENT_TYPE, "application/json")
                .body(value.to_string()),
            Body::Form(fields) => client
                .post(url.reveal())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form(&fields)),
        };
        let sent = builder.headers(headers).timeout(limit).send().await;
        let mut answer = sent.map_err(|error| unanswered(&url, &error, limit))?;
        let status = answer.status();
        let retry = retry(status, answer.headers(), self.now());
        let points_to = points_to(&answer).filter(|_| status.is_redirection());
        let mut bytes = Vec::new();
        while bytes.len() < LONGEST {
            match answer.chunk().await {
                Ok(Some(chunk)) => {
                    bytes.extend_from_slice(&chunk[..chunk.len().min(LONGEST - bytes.len())]);
                }
                Ok(None) => break,
                // A service that keeps the connection open has said all that it had to say.
                Err(_) if is_whole(&bytes) => break,
                Err(error) => return Err(unanswered(&url, &error, limit)),
            }
        }
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Answer { status: status.as_u16(), retry, body, points_to })
    }
}

/// Whether nothing of a JSON document is missing.
fn is_whole(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok_and(|_| bytes.ends_with(b"}"))
}

/// Fields in the form that HTML posts them (URL Standard §5.2).
pub(in crate::notify) fn form(fields: &[(String, String)]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    fields.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_leave_its_place() {
        let fields = [("to".to_owned(), "a&b=c d/é".to_owned()), ("x".to_owned(), "1".to_owned())];
        assert_eq!(form(&fields), "to=a%26b%3Dc%20d%2F%C3%A9&x=1");
    }

    #[test]
    fn an_unexplained_answer_is_told_in_one_line_without_keys() {
        let url = WebAddress::new("https://api.example/bot123:SECRETKEY/send");
        let key = Secret::new("an0ther-key");
        let body = "<html>\n an0ther-key \u{7} /bot123:SECRETKEY/</html>".to_owned();
        let answer = Answer { status: 403, retry: Retry::Never, body, points_to: None };
        let error = answer.unexplained(&url, &[&key]);
        assert_eq!(error.retry, Retry::Never);
        assert_eq!(error.text, "https://api.example answers 403: <html> *** /***/</html>");
    }

    #[tokio::test]
    async fn a_redirect_is_tried_again_and_told_without_what_it_carries() {
        use std::io::{Read as _, Write as _};
        for (location, told) in [
            (
                "https://login.example:8443/portal?back=T0K3NT0K3N",
                "points to https://login.example:8443",
            ),
            ("https://T0K3NT0K3N@login.example/x", "points to login.example"),
            ("/T0K3NT0K3N/", "points to another page of its own"),
            ("", "points to another page of its own"),
        ] {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let url = WebAddress::new(format!("http://{}/", listener.local_addr().unwrap()));
            let service = std::thread::spawn(move || {
                for _ in 0..2 {
                    let (mut stream, _) = listener.accept().unwrap();
                    let _ = stream.read(&mut [0; 4_096]);
                    let body = "at T0K3NT0K3N";
                    let head = format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\n");
                    let rest = format!("connection: close\r\ncontent-length: 13\r\n\r\n{body}");
                    stream.write_all(format!("{head}{rest}").as_bytes()).unwrap();
                }
            });
            let http = Http::new(crate::clock::Clock::start());
            let limit = Duration::from_secs(30);
            let posted = http.post(&url, HeaderMap::new(), Vec::new(), limit, &[]).await;
            let request = Request { url: url.clone(), headers: HeaderMap::new(), body: Body::None };
            let asked = http.exchange(request, limit).await.unwrap().unexplained(&url, &[]);
            service.join().unwrap();
            for error in [posted.unwrap_err(), asked] {
                assert_eq!(error.retry, Retry::Later);
                assert!(error.text.ends_with(&format!(" and {told}")), "{}", error.text);
            }
        }
    }

    #[test]
    fn a_key_where_the_telling_ends_is_not_told_by_half() {
        let url = WebAddress::new("https://api.example/T0K3NT0K3N");
        let key = Secret::new("an0ther-key");
        for before in EXCERPT_CHARS - 12..=EXCERPT_CHARS {
            for echoed in ["an0ther-key", "T0K3NT0K3N"] {
                let said = repeatable(&format!("{}{echoed}", "x".repeat(before)), &url, &[&key]);
                assert_eq!(said.trim_end_matches('*'), "x".repeat(before));
            }
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_whole_counts_though_its_connection_stays_open() {
        use std::io::{Read as _, Write as _};
        // Only what is not whole is waited for, up to the limit.
        let (long, short) = (Duration::from_secs(30), Duration::from_millis(500));
        for (said, whole) in [("{\"ok\":true}", true), ("{\"ok\":tr", false), ("", false)] {
            let limit = if whole { long } else { short };
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let url = WebAddress::new(format!("http://{}/", listener.local_addr().unwrap()));
            let (over, wait) = std::sync::mpsc::channel::<()>();
            let service = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 4_096]);
                stream.write_all(format!("HTTP/1.1 200 OK\r\n\r\n{said}").as_bytes()).unwrap();
                let _ = wait.recv();
            });
            let http = Http::new(crate::clock::Clock::start());
            let request = Request { url, headers: HeaderMap::new(), body: Body::None };
            let answer = http.exchange(request, limit).await;
            drop(over);
            service.join().unwrap();
            assert_eq!(answer.map(|it| it.body).ok().as_deref(), whole.then_some(said));
        }
    }

    #[test]
    fn a_success_that_nobody_understands_is_tried_again() {
        let answer = Answer {
            status: 200,
            retry: Retry::Never,
            body: "log in here".to_owned(),
            points_to: None,
        };
        assert_eq!(answer.unexplained(&WebAddress::new("http://a"), &[]).retry, Retry::Later);
    }
}
