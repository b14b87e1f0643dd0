//! eSMS: customer-care messages under a registered brand name. Pure.
//!
//! What became of a message stands in the body's `CodeResult`; 100 means accepted, not delivered.
//! `RequestId` is the message's id, so that the gateway drops a repeat itself (124).

use reqwest::header::HeaderMap;
use serde::Deserialize;

use super::{Asked, Short};
use crate::config::EsmsSettings;
use crate::model::WebAddress;
use crate::notify::DeliveryError;
use crate::notify::http::{Answer, Body, Request, repeatable};
use crate::notify::secret::Secret;

/// Where messages are posted.
const PATH: &str = "/MainService.svc/json/SendMultipleMessage_V4_post_json/";
/// Customer care, the kind that may be sent at any hour.
const CUSTOMER_CARE: &str = "2";

/// The request for one message.
pub(super) fn ask(
    account: &EsmsSettings,
    short: Short<'_>,
    api_key: Secret,
    secret_key: Secret,
) -> Asked {
    let url = account.base_url.below(PATH);
    let body = Body::Json(serde_json::json!({
        "ApiKey": api_key.reveal(),
        "SecretKey": secret_key.reveal(),
        "Phone": short.phone,
        "Content": short.text,
        "Brandname": account.brandname,
        "SmsType": CUSTOMER_CARE,
        "IsUnicode": "0",
        "RequestId": request_id(short.id),
    }));
    let request = Request { url, headers: HeaderMap::new(), body };
    Asked { request, secrets: vec![api_key, secret_key] }
}

/// The id of a message for eSMS, which takes 50 characters and blocks repeats of it for a day: the
/// beginning of the SHA-256 of ours, which may be longer.
fn request_id(id: &str) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, id.as_bytes());
    hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The answer to a message.
#[derive(Debug, Deserialize)]
struct AnswerJson {
    /// A text in practice, a number in some documents.
    #[serde(rename = "CodeResult")]
    code: serde_json::Value,
    #[serde(rename = "ErrorMessage", default)]
    message: Option<String>,
}

/// What became of a message, by the body's `CodeResult` and not by the status:
///
/// 1. 100 – accepted; 124 – accepted before under the same id.
/// 2. Every other number – never, so that the next channel takes over: all of them ask for
///    somebody to change the account, the text or the number. But later when the status is one that
///    passes, such as 503.
/// 3. No such body – a status of 5xx or something in between; later.
pub(super) fn read(
    answer: &Answer,
    url: &WebAddress,
    secrets: &[&Secret],
) -> Result<(), DeliveryError> {
    let Ok(told) = serde_json::from_str::<AnswerJson>(&answer.body) else {
        return Err(answer.unexplained(url, secrets));
    };
    let code = match &told.code {
        serde_json::Value::String(text) => text.trim().parse().ok(),
        other => other.as_u64(),
    };
    let Some(code) = code else { return Err(answer.unexplained(url, secrets)) };
    if matches!(code, 100 | 124) {
        return Ok(());
    }
    let mut text = format!("eSMS answers {code}");
    if let Some(meaning) = meaning(code) {
        text = format!("{text} ({meaning})");
    }
    let message = repeatable(&told.message.unwrap_or_default(), url, secrets);
    if !message.is_empty() {
        text = format!("{text}: {message}");
    }
    Err(DeliveryError { retry: answer.retry, text })
}

/// What a number says about what to do.
const fn meaning(code: u64) -> Option<&'static str> {
    Some(match code {
        99 => "the phone number is blocked in their system",
        101 => "the keys are wrong",
        103 => "the account has no money left",
        104 => "there is no such brand name",
        108 => "the phone number is not valid",
        118 => "this kind of message is not valid",
        140 => "this machine's address is not on the account's list",
        146 => "the text follows no registered template",
        177 => "the network of this number is not registered for the brand name",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::Retry;

    fn answer(status: u16, body: &str) -> Result<(), DeliveryError> {
        let retry = if status >= 500 { Retry::Later } else { Retry::Never };
        let answer = Answer { status, retry, body: body.to_owned(), points_to: None };
        read(&answer, &WebAddress::new("https://rest.esms.vn/x"), &[&Secret::new("api-k3y-api")])
    }

    #[test]
    fn a_hundred_is_accepted_and_so_is_a_repeat() {
        assert_eq!(answer(200, r#"{"CodeResult":"100","CountRegenerate":0,"SMSID":"x"}"#), Ok(()));
        assert_eq!(answer(200, r#"{"CodeResult":100}"#), Ok(()));
        assert_eq!(answer(200, r#"{"CodeResult":"124","ErrorMessage":"Duplicate"}"#), Ok(()));
    }

    #[test]
    fn every_other_number_falls_over_to_the_next_channel() {
        for code in [99, 101, 103, 104, 108, 118, 140, 146, 177, 777] {
            let error = answer(200, &format!(r#"{{"CodeResult":"{code}"}}"#)).unwrap_err();
            assert_eq!(error.retry, Retry::Never, "{code}");
            assert_eq!(meaning(code).is_some(), code != 777, "{code}");
        }
        let error = answer(200, r#"{"CodeResult":"101","ErrorMessage":"bad api-k3y-api"}"#);
        let told = "eSMS answers 101 (the keys are wrong): bad ***";
        assert_eq!(error.unwrap_err().text, told);
    }

    #[test]
    fn what_is_no_answer_of_the_gateway_is_tried_again() {
        let away = r#"{"CodeResult":"99"}"#;
        for (status, body) in
            [(503, "busy"), (503, away), (200, "<html>"), (200, r#"{"CodeResult":null}"#)]
        {
            assert_eq!(answer(status, body).unwrap_err().retry, Retry::Later, "{body}");
        }
    }
}
