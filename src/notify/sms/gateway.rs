//! Any gateway that takes one request for each message, described in the settings. Pure.

use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::{Asked, Short};
use crate::config::{SmsBody, SmsHttpSettings};
use crate::model::{WebAddress, encoded};
use crate::notify::http::{Answer, Body, Request};
use crate::notify::secret::Secret;
use crate::notify::{DeliveryError, Retry};

/// The request for one message. What stands in braces is replaced once, from left to right, so
/// that a text with braces of its own stays as it is.
///
/// # Errors
/// When a header cannot be sent.
pub(super) fn ask(
    gateway: &SmsHttpSettings,
    short: Short<'_>,
    secrets: BTreeMap<&str, Secret>,
) -> Result<Asked, DeliveryError> {
    let given: [&str; SmsHttpSettings::GIVEN.len()] = [short.phone, short.text, short.id];
    let mut values: BTreeMap<&str, &str> = SmsHttpSettings::GIVEN.into_iter().zip(given).collect();
    for (name, key) in &secrets {
        values.insert(name, key.reveal());
    }
    let url = WebAddress::new(filled(gateway.url.reveal(), &values, encoded));
    let plain = |template: &String| filled(template, &values, str::to_owned);
    let body = match &gateway.body {
        SmsBody::None => Body::None,
        SmsBody::Form(fields) => {
            Body::Form(fields.iter().map(|(name, field)| (name.clone(), plain(field))).collect())
        }
        SmsBody::Json(fields) => Body::Json(
            fields
                .iter()
                .map(|(name, field)| (name.clone(), serde_json::Value::String(plain(field))))
                .collect(),
        ),
    };
    let mut headers = HeaderMap::new();
    for (name, template) in &gateway.headers {
        let fit = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(plain(template)).ok());
        let Some((header, mut value)) = fit else {
            let text = format!("the header `{name}` cannot be sent as it is written");
            return Err(DeliveryError { retry: Retry::Never, text });
        };
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    let written: Vec<Secret> = written(gateway, plain).collect();
    let secrets = secrets.into_values().chain(written).collect();
    Ok(Asked { request: Request { url, headers, body }, secrets })
}

/// What stands in the settings themselves and may be a key all the same: headers, and fields
/// without anything to fill in. Short ones are no keys and stand in harmless words.
fn written(
    gateway: &SmsHttpSettings,
    plain: impl Fn(&String) -> String,
) -> impl Iterator<Item = Secret> {
    let fields = match &gateway.body {
        SmsBody::None => None,
        SmsBody::Form(fields) | SmsBody::Json(fields) => Some(fields),
    };
    let fixed = fields.into_iter().flat_map(BTreeMap::values).filter(|field| !field.contains('{'));
    let all: Vec<String> = gateway.headers.values().chain(fixed).map(plain).collect();
    all.into_iter().filter(|text| text.len() >= 8).map(Secret::new)
}

/// What became of a message:
///
/// 1. Status 2xx, with the text that the settings ask for in the body – accepted.
/// 2. Status 2xx without that text – never: the gateway understood and refused.
/// 3. 408, 425, 429, 5xx and a redirect, which is not followed – later, or when the answer says;
///    any other status – never.
pub(super) fn read(
    gateway: &SmsHttpSettings,
    answer: &Answer,
    url: &WebAddress,
    secrets: &[&Secret],
) -> Result<(), DeliveryError> {
    let accepted = gateway.accepted_if.as_ref().is_none_or(|text| answer.body.contains(text));
    match (answer.is_success(), accepted) {
        (true, true) => Ok(()),
        (true, false) => {
            Err(DeliveryError { retry: Retry::Never, ..answer.unexplained(url, secrets) })
        }
        (false, _) => Err(answer.unexplained(url, secrets)),
    }
}

/// `template` with the values in their places. Names that nobody knows stay as they are.
fn filled(
    template: &str,
    values: &BTreeMap<&str, &str>,
    encode: impl Fn(&str) -> String,
) -> String {
    let mut filled = String::with_capacity(template.len() + 160);
    let mut rest = template;
    while let Some((before, from)) = rest.split_once('{') {
        filled.push_str(before);
        let known = from.split_once('}').and_then(|(name, after)| Some((values.get(name)?, after)));
        rest = if let Some((value, after)) = known {
            filled.push_str(&encode(value));
            after
        } else {
            filled.push('{');
            from
        };
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway() -> SmsHttpSettings {
        SmsHttpSettings {
            url: WebAddress::new(
                "http://sms.example/send?to={phone}&text={text}&ref={id}&brand={x}",
            ),
            body: SmsBody::None,
            headers: BTreeMap::new(),
            secrets: BTreeMap::new(),
            accepted_if: None,
        }
    }

    const SHORT: Short<'_> =
        Short { phone: "+84912345678", text: "Tan Lap & {phone}?", id: "n1-1" };

    #[test]
    fn a_text_cannot_leave_its_place_in_the_address() {
        let asked = ask(&gateway(), SHORT, BTreeMap::new()).unwrap();
        assert_eq!(
            asked.request.url.reveal(),
            "http://sms.example/send?to=%2B84912345678&text=Tan%20Lap%20%26%20%7Bphone%7D%3F\
             &ref=n1-1&brand={x}"
        );
    }

    #[test]
    fn bodies_are_forms_or_json() {
        let fields: BTreeMap<String, String> =
            [("to", "{phone}"), ("sms", "VC: {text}")].map(|(a, b)| (a.into(), b.into())).into();
        let form = SmsHttpSettings { body: SmsBody::Form(fields.clone()), ..gateway() };
        let sent = |gateway| ask(gateway, SHORT, BTreeMap::new()).unwrap().request.body;
        let Body::Form(fields_sent) = sent(&form) else { panic!("a form") };
        assert_eq!(fields_sent[0], ("sms".to_owned(), "VC: Tan Lap & {phone}?".to_owned()));
        let json = SmsHttpSettings { body: SmsBody::Json(fields), ..gateway() };
        let Body::Json(object) = sent(&json) else { panic!("JSON") };
        assert_eq!(object["to"], "+84912345678");
    }

    #[test]
    fn a_header_cannot_be_smuggled_in() {
        let headers = [("x-to".to_owned(), "{phone}".to_owned())].into();
        let short = Short { phone: "1\r\nx-evil: 1", ..SHORT };
        let gateway = SmsHttpSettings { headers, ..gateway() };
        let error = ask(&gateway, short, BTreeMap::new()).unwrap_err();
        assert_eq!(error.retry, Retry::Never);
    }

    #[test]
    fn the_status_decides_and_then_the_text_that_was_asked_for() {
        let read = |accepted_if: Option<&str>, status: u16, body: &str| {
            let gateway =
                SmsHttpSettings { accepted_if: accepted_if.map(str::to_owned), ..gateway() };
            let retry = if status >= 500 { Retry::Later } else { Retry::Never };
            let answer = Answer { status, retry, body: body.to_owned(), points_to: None };
            read(&gateway, &answer, &WebAddress::new("http://sms.example/"), &[])
                .map_err(|e| e.retry)
        };
        assert_eq!(read(None, 202, ""), Ok(()));
        assert_eq!(read(Some("\"status\":\"success\""), 200, r#"{"status":"success"}"#), Ok(()));
        assert_eq!(read(Some("success"), 200, r#"{"status":"error"}"#), Err(Retry::Never));
        assert_eq!(read(None, 503, "success"), Err(Retry::Later));
        assert_eq!(read(None, 401, "who?"), Err(Retry::Never));
    }
}
