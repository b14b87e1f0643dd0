//! What Zalo's answers mean. Pure.

use std::time::Duration;

use serde::Deserialize;

use crate::model::WebAddress;
use crate::notify::http::{Answer, repeatable};
use crate::notify::secret::Secret;
use crate::notify::{DeliveryError, Retry};

/// The account may send 4,000 requests a minute; beyond that, a minute is what it takes.
const RATE_WAIT: Duration = Duration::from_secs(60);

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was accepted.
    Accepted,
    /// The access token is not valid any more; what was answered.
    Stale(String),
    /// It was not accepted.
    Refused(DeliveryError),
}

/// The answer to a message.
#[derive(Debug, Deserialize)]
struct AnswerJson {
    error: i64,
    #[serde(default)]
    message: String,
}

/// What became of a message, by the body's `error` and not by the status:
///
/// 1. 0 – accepted.
/// 2. -216, -220 – the access token is invalid or has expired.
/// 3. -32 – too many requests, a minute later; -200 – sending failed, later.
/// 4. Every other number – never, so that the next channel takes over; but later when the status is
///    one that passes, such as 503.
/// 5. No such body – a status of 5xx or something in between; later.
pub(super) fn fate(answer: &Answer, url: &WebAddress, token: &Secret) -> Fate {
    let Ok(told) = serde_json::from_str::<AnswerJson>(&answer.body) else {
        return Fate::Refused(answer.unexplained(url, &[token]));
    };
    let mut text = format!("Zalo answers {}", told.error);
    if let Some(meaning) = meaning(told.error) {
        text = format!("{text} ({meaning})");
    }
    let message = repeatable(&told.message, url, &[token]);
    if !message.is_empty() {
        text = format!("{text}: {message}");
    }
    let retry = match told.error {
        0 => return Fate::Accepted,
        -216 | -220 => return Fate::Stale(text),
        -32 => Retry::After(RATE_WAIT),
        -200 => Retry::Later,
        _ => answer.retry,
    };
    Fate::Refused(DeliveryError { retry, text })
}

/// What a number says about what to do.
const fn meaning(error: i64) -> Option<&'static str> {
    Some(match error {
        -32 => "too many requests",
        -200 => "sending failed",
        -201 => "a parameter is not valid",
        -204 => "the account is disabled",
        -205 => "there is no such account",
        -209 => "the application is not active",
        -211 => "the quota is used up",
        -213 => "the person does not follow the account",
        -216 => "the access token is not valid",
        -217 => "the person has blocked the account",
        -218 => "the person's quota is used up",
        -220 => "the access token has expired",
        -221 => "the account is not verified",
        -224 => "the account needs a paid package for this",
        -227 => "the person is banned or long inactive",
        -230 | -232 => "the person has not written to the account within the last 7 days",
        -233 => "this kind of message is not allowed",
        -234 => "such a message is not sent from 22:00 to 06:00",
        -237 => "the group has expired",
        -240 => "this version of the interface is shut down",
        -244 => "the person has restricted the account",
        -320 => "no payment account is linked",
        -321 => "the payment account has no money left",
        -403 => "the account is not in the group",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Fate {
        let retry = if status >= 500 { Retry::Later } else { Retry::Never };
        let answer = Answer { status, retry, body: body.to_owned(), points_to: None };
        fate(&answer, &WebAddress::new("https://openapi.zalo.me/x"), &Secret::new("acc3ss-t0ken"))
    }

    #[test]
    fn success_is_error_zero_and_not_status_200() {
        let good = r#"{"data":{"message_id":"m","user_id":"u"},"error":0,"message":"Success"}"#;
        assert_eq!(read(200, good), Fate::Accepted);
        let bad = r#"{"error":-213,"message":"User has not followed OA"}"#;
        assert!(matches!(read(200, bad), Fate::Refused(_)));
    }

    #[test]
    fn only_three_kinds_of_refusal_are_tried_again() {
        let known = [
            -32, -200, -201, -204, -205, -209, -211, -213, -216, -217, -218, -220, -221, -224,
            -227, -230, -232, -233, -234, -237, -240, -244, -320, -321, -403,
        ];
        for error in known {
            assert!(meaning(error).is_some(), "{error} is explained");
            match (error, read(200, &format!(r#"{{"error":{error},"message":"why"}}"#))) {
                (-216 | -220, Fate::Stale(_)) => {}
                (-32, Fate::Refused(e)) => assert_eq!(e.retry, Retry::After(RATE_WAIT)),
                (-200, Fate::Refused(e)) => assert_eq!(e.retry, Retry::Later),
                (_, Fate::Refused(e)) => assert_eq!(e.retry, Retry::Never, "{error}"),
                (_, other) => panic!("{error} reads as {other:?}"),
            }
        }
        assert!(
            matches!(read(200, r#"{"error":-9999}"#), Fate::Refused(e) if e.retry == Retry::Never)
        );
    }

    #[test]
    fn what_is_no_answer_of_zalo_is_tried_again() {
        let away = r#"{"error":-1,"message":"maintenance"}"#;
        for (status, body) in
            [(502, "Bad Gateway"), (200, "<html>log in</html>"), (200, "{}"), (503, away)]
        {
            let Fate::Refused(error) = read(status, body) else { panic!("refused") };
            assert_eq!(error.retry, Retry::Later, "{body}");
        }
    }

    #[test]
    fn a_refusal_is_told_in_words_without_the_token() {
        let body = r#"{"error":-216,"message":"Access token acc3ss-t0ken is invalid"}"#;
        let Fate::Stale(text) = read(200, body) else { panic!("stale") };
        let told = "Zalo answers -216 (the access token is not valid): Access token *** is invalid";
        assert_eq!(text, told);
    }
}
