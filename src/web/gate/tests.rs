//! Who is let in, without a server.

use super::*;
use crate::config::{File, SourceSet, access};

/// `ha` may change things, `tram` may look; so may programs with the tokens `t-op` and `t-view`.
/// The passwords are the names, at a cost that a test can afford.
fn users() -> Access {
    let hash = |name: &str| bcrypt::hash(name, 4).unwrap();
    let token = |token: &str| {
        let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let text = format!(
        "basic_auth_users: {{ha: \"{}\", tram: \"{}\"}}\n\
         bearer_tokens: {{script: \"{}\", grafana: \"{}\"}}\n\
         roles: {{ha: operator, script: operator}}\n\
         auth_excluded_paths: [/-/healthy]\n",
        hash("ha"),
        hash("tram"),
        token("t-op"),
        token("t-view"),
    );
    access(&SourceSet::new().with(File::Web, "web-config.yml", text)).unwrap()
}

fn peer(address: &str) -> Peer {
    Peer { address: address.parse().unwrap(), certificate: None }
}

fn basic(user: &str, password: &str) -> (&'static str, String) {
    ("authorization", format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

fn asked<'a>(method: &'a Method, headers: &'a HeaderMap) -> Asked<'a> {
    Asked { method, path: "/", version: Version::HTTP_11, headers, public: None }
}

async fn ask(
    gate: &Gate,
    access: &Access,
    from: &str,
    method: Method,
    headers: &[(&'static str, String)],
) -> Result<Caller, Refusal> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    let asked = Asked { path: "/metrics", ..asked(&method, &map) };
    let now = Mono::ZERO + Duration::from_secs(1_000);
    gate.admit(access, &peer(from), asked, now).await
}

fn name(admitted: Result<Caller, Refusal>) -> Option<String> {
    admitted.unwrap().name.map(|name| name.to_string())
}

#[tokio::test]
async fn without_users_everybody_may_look_and_only_this_machine_may_change() {
    let (gate, access) = (Gate::default(), Access::default());
    for from in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
        assert!(ask(&gate, &access, from, Method::POST, &[]).await.is_ok(), "{from}");
    }
    for from in ["10.0.0.5", "2001:db8::1", "::ffff:10.0.0.5"] {
        assert!(ask(&gate, &access, from, Method::GET, &[]).await.is_ok(), "{from}");
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let refused = ask(&gate, &access, from, method, &[]).await.unwrap_err();
            assert!(matches!(refused, Refusal::Role(_)), "{refused:?}");
            assert!(refused.to_string().contains("web.config_file"), "{refused}");
        }
    }
    for header in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
        let passed_on = [(header, "10.0.0.5".to_owned())];
        let refused = ask(&gate, &access, "127.0.0.1", Method::POST, &passed_on).await;
        assert!(matches!(refused, Err(Refusal::Role(_))), "{header}");
    }
    let none = HeaderMap::new();
    let old = Asked { version: Version::HTTP_10, ..asked(&Method::POST, &none) };
    let refused = gate.admit(&access, &peer("127.0.0.1"), old, Mono::ZERO).await;
    assert!(matches!(refused, Err(Refusal::Role(_))), "nginx, unless told otherwise");
}

#[tokio::test]
async fn with_users_nobody_comes_in_unknown_not_even_from_this_machine() {
    let (gate, access) = (Gate::default(), users());
    let encoded = |text: &str| ("authorization", format!("Basic {}", STANDARD.encode(text)));
    for headers in [
        vec![],
        vec![("authorization", "Basic".to_owned())],
        vec![("authorization", "Basic !!!".to_owned())],
        vec![("authorization", "Digest ha:ha".to_owned())],
        vec![("authorization", "Bearer ".to_owned())],
        vec![("authorization", "Bearer ha:ha".to_owned())],
        vec![encoded("ha")],
        vec![encoded("")],
        vec![encoded(":")],
        vec![basic("ha", "")],
        vec![basic("Ha", "ha")],
        vec![basic("nobody", "ha")],
        vec![basic("ha", "ha"), basic("ha", "ha")],
    ] {
        let refused = ask(&gate, &access, "127.0.0.1", Method::GET, &headers).await;
        assert_eq!(refused, Err(Refusal::LogIn { bearer: true }), "{headers:?}");
    }
}

#[tokio::test]
async fn users_and_tokens_are_known_by_name_and_may_what_their_role_says() {
    let (gate, access) = (Gate::default(), users());
    let bearer = |token: &str| ("authorization", format!("bearer {token}"));
    for (who, headers, changes) in [
        ("ha", basic("ha", "ha"), true),
        ("tram", basic("tram", "tram"), false),
        ("script", bearer("t-op"), true),
        ("grafana", bearer("t-view"), false),
    ] {
        let headers = [headers];
        let looked = ask(&gate, &access, "10.0.0.5", Method::GET, &headers).await;
        assert_eq!(name(looked).as_deref(), Some(who));
        let changed = ask(&gate, &access, "10.0.0.5", Method::POST, &headers).await;
        assert_eq!(changed.is_ok(), changes, "{who}");
    }
}

#[tokio::test]
async fn an_excepted_path_is_answered_and_nothing_is_changed_by_it() {
    let (gate, access, none) = (Gate::default(), users(), HeaderMap::new());
    for (method, path, answered) in [
        (Method::GET, "/-/healthy", true),
        (Method::POST, "/-/healthy", false),
        (Method::GET, "/-/healthy/", false),
        (Method::GET, "/-/ready", false),
    ] {
        let asked = Asked { path, ..asked(&method, &none) };
        let admitted = gate.admit(&access, &peer("10.0.0.5"), asked, Mono::ZERO).await;
        assert_eq!(admitted.is_ok(), answered, "{method} {path}");
    }
}

#[tokio::test]
async fn guessing_is_slow_and_keeps_out_nobody_who_is_known() {
    let (gate, access) = (Gate::default(), users());
    let right = [basic("ha", "ha")];
    assert!(ask(&gate, &access, "10.0.0.5", Method::GET, &right).await.is_ok());
    let mut held_up = 0;
    for n in 0..30 {
        let guess = [basic("ha", &format!("guess {n}"))];
        let refused = ask(&gate, &access, "10.0.0.5", Method::GET, &guess).await.unwrap_err();
        held_up += u32::from(matches!(refused, Refusal::TooMany(_)));
    }
    assert_eq!(held_up, 20, "ten are looked at");
    assert!(ask(&gate, &access, "10.0.0.5", Method::GET, &right).await.is_ok(), "it is remembered");
    let other = [basic("tram", "tram")];
    let same_address = ask(&gate, &access, "10.0.0.5", Method::GET, &other).await;
    assert!(matches!(same_address, Err(Refusal::TooMany(_))));
    assert!(ask(&gate, &access, "10.0.0.6", Method::GET, &other).await.is_ok());
}

#[tokio::test]
async fn hundreds_who_log_in_at_once_with_one_password_cost_one_check() {
    let (gate, access) = (Arc::new(Gate::default()), Arc::new(users()));
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..300 {
        let (gate, access) = (Arc::clone(&gate), Arc::clone(&access));
        all.spawn(async move {
            ask(&gate, &access, "10.0.0.5", Method::GET, &[basic("tram", "tram")]).await.is_ok()
        });
    }
    assert!(all.join_all().await.into_iter().all(|admitted| admitted));
}

#[tokio::test]
async fn a_password_that_was_changed_is_forgotten() {
    let gate = Gate::default();
    let right = [basic("ha", "ha")];
    assert!(ask(&gate, &users(), "10.0.0.5", Method::GET, &right).await.is_ok());
    let text = format!("basic_auth_users: {{ha: \"{}\"}}\n", bcrypt::hash("new", 4).unwrap());
    let changed = access(&SourceSet::new().with(File::Web, "web-config.yml", text)).unwrap();
    assert!(ask(&gate, &changed, "10.0.0.5", Method::GET, &right).await.is_err());
}

#[tokio::test]
async fn an_address_asks_as_fast_as_it_is_allowed_to() {
    let gate = Gate::default();
    let limit = Limit { interval: Duration::from_secs(1), burst: 5 };
    let access = Access { rate_limit: Some(limit), ..Access::default() };
    for n in 0..8 {
        let admitted = ask(&gate, &access, "10.0.0.5", Method::GET, &[]).await;
        assert_eq!(admitted.is_ok(), n < 5, "{n}");
    }
    assert!(ask(&gate, &access, "10.0.0.6", Method::GET, &[]).await.is_ok());
}

#[tokio::test]
async fn guessing_tokens_is_slow_too_and_right_ones_are_not_held_up() {
    let (gate, access) = (Gate::default(), users());
    let bearer = |token: String| [("authorization", format!("Bearer {token}"))];
    let mut held_up = 0;
    for n in 0..30 {
        let guess = bearer(format!("guess {n}"));
        let refused = ask(&gate, &access, "10.0.0.5", Method::GET, &guess).await.unwrap_err();
        held_up += u32::from(matches!(refused, Refusal::TooMany(_)));
    }
    assert_eq!(held_up, 20);
    let right = bearer("t-view".to_owned());
    assert!(ask(&gate, &access, "10.0.0.5", Method::GET, &right).await.is_ok());
}

#[tokio::test]
async fn behind_a_proxy_pages_of_the_public_name_change_things_once_somebody_logs_in() {
    let gate = Gate::default();
    let page = [
        ("host", "giam-sat.example".to_owned()),
        ("origin", "https://giam-sat.example".to_owned()),
        ("sec-fetch-site", "same-origin".to_owned()),
    ];
    let unknown = ask(&gate, &Access::default(), "127.0.0.1", Method::POST, &page).await;
    assert!(matches!(unknown, Err(Refusal::Foreign(_))), "anybody can have a name pointed here");
    let elsewhere = ask(&gate, &Access::default(), "10.0.0.5", Method::POST, &page).await;
    assert!(matches!(elsewhere, Err(Refusal::Role(_))), "and it makes nobody an operator");
    let read = ask(&gate, &Access::default(), "127.0.0.1", Method::GET, &page).await;
    assert!(read.is_ok(), "others reach it as well, whatever they call it");
    let alone = Gate::new([127, 0, 0, 1].into());
    let read = ask(&alone, &Access::default(), "127.0.0.1", Method::GET, &page).await;
    assert!(
        matches!(read, Err(Refusal::Foreign(_))),
        "what nobody else reaches is not read either"
    );
    let known = [&page[..], &[basic("ha", "ha")]].concat();
    assert!(ask(&gate, &users(), "127.0.0.1", Method::POST, &known).await.is_ok());
}

#[tokio::test]
async fn who_asks_from_the_address_that_is_listened_on_is_on_this_machine() {
    let gate = Gate::new([10, 9, 0, 1].into());
    let asked = ask(&gate, &Access::default(), "10.9.0.1", Method::POST, &[]).await;
    assert_eq!(asked.unwrap().role, Role::Operator);
    let elsewhere = ask(&gate, &Access::default(), "10.9.0.2", Method::POST, &[]).await;
    assert!(matches!(elsewhere, Err(Refusal::Role(_))));
}

#[test]
fn a_refusal_says_how_to_come_in() {
    let answer = Refusal::LogIn { bearer: true }.into_response();
    assert_eq!(answer.status(), 401);
    let schemes: Vec<_> = answer.headers().get_all(header::WWW_AUTHENTICATE).iter().collect();
    assert_eq!(
        schemes,
        ["Basic realm=\"vchealth\", charset=\"UTF-8\"", "Bearer realm=\"vchealth\""]
    );
    let answer = Refusal::TooMany(Duration::from_millis(2_500)).into_response();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (429, &"3".parse().unwrap())
    );
}
