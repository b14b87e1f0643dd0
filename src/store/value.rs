//! How the words of the model stand in columns.

use jiff::Timestamp;

use crate::model::{Health, TargetKey};

/// An instant as nanoseconds since 1970; the years beyond 2262 and before 1677 are cut.
pub(super) fn nanos(at: Timestamp) -> i64 {
    let nanos = at.as_nanosecond().clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    i64::try_from(nanos).unwrap_or_default()
}

/// The instant of a column of nanoseconds.
pub(super) fn instant(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or_default()
}

/// A health as its number in the tables. The numbers stay when the enum is reordered.
pub(super) const fn health_number(health: Health) -> i64 {
    match health {
        Health::Up => 0,
        Health::Degraded => 1,
        Health::Down => 2,
        Health::Unknown => 3,
    }
}

/// The health of a number in the tables.
pub(super) const fn health(number: i64) -> Health {
    match number {
        0 => Health::Up,
        1 => Health::Degraded,
        2 => Health::Down,
        _ => Health::Unknown,
    }
}

/// A target, endpoint or site as it stands in the dictionary.
pub(super) fn key_columns(key: &TargetKey) -> [&str; 3] {
    [
        key.site.as_str(),
        key.endpoint.as_ref().map_or("", |id| id.as_str()),
        key.check.as_ref().map_or("", |id| id.as_str()),
    ]
}

/// The target, endpoint or site of a row whose columns `first..first + 3` are the dictionary's.
pub(super) fn key(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<TargetKey> {
    let text = |at| row.get::<_, String>(at);
    let (site, endpoint, check) = (text(first)?, text(first + 1)?, text(first + 2)?);
    Ok(TargetKey {
        site: crate::model::SiteId::new(site),
        endpoint: (!endpoint.is_empty()).then(|| crate::model::EndpointId::new(endpoint)),
        check: (!check.is_empty()).then(|| crate::model::CheckId::new(check)),
    })
}

/// A record that is kept whole.
pub(super) fn parse<T: serde::de::DeserializeOwned>(text: impl AsRef<str>) -> rusqlite::Result<T> {
    serde_json::from_str(text.as_ref()).map_err(|reason| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, reason.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_come_back_to_the_nanosecond() {
        for text in ["1969-07-20T20:17:40.123456789Z", "2026-02-03T00:42:00Z"] {
            let at: Timestamp = text.parse().unwrap();
            assert_eq!(instant(nanos(at)), at);
        }
        assert!(nanos(Timestamp::MAX) == i64::MAX && nanos(Timestamp::MIN) == i64::MIN);
    }

    #[test]
    fn every_health_comes_back() {
        for value in Health::ALL {
            assert_eq!(health(health_number(value)), value);
        }
    }
}
