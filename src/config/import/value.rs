//! What one cell says: an address, a phone number, a figure. Each reader takes what is meant beyond
//! doubt, however it is written, and otherwise says what is wrong with it.

use std::net::{IpAddr, Ipv4Addr};

use super::book::Cell;
use crate::config::sites::is_host_name;

/// Why a cell is not understood, and what to do.
pub(super) type Wrong = (String, Option<String>);

fn wrong<T>(reason: impl Into<String>, hint: &str) -> Result<T, Wrong> {
    Err((reason.into(), (!hint.is_empty()).then(|| hint.to_owned())))
}

/// The text of a cell; a number as people see it.
pub(super) fn text(cell: &Cell) -> Result<String, Wrong> {
    match cell {
        Cell::Error(error) => wrong(
            format!("the formula of this cell gives {error}"),
            "mend it, or write the value itself",
        ),
        Cell::Uncomputed => wrong(
            "the formula of this cell has no value",
            "open the file in Excel or LibreOffice and save it again",
        ),
        cell => Ok(cell.shown()),
    }
}

/// Words for "there is none".
fn says_none(text: &str) -> bool {
    matches!(text.to_lowercase().as_str(), "none" | "không" | "không có" | "khong" | "khong co")
}

/// Signs that people put into a cell to leave it empty.
pub(super) fn is_blank(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| "-–—_.?…".contains(c))
        || matches!(text, "n/a" | "N/A" | "x" | "X")
}

/// The address of a device; `none` where the cell says that there is none.
pub(super) fn address(cell: &Cell) -> Result<String, Wrong> {
    match cell {
        Cell::Number(_) => {
            return wrong(
                "a number where an address should be: the spreadsheet took it for one",
                "format the column as text and write the address anew, such as 10.70.5.10",
            );
        }
        Cell::Date(_) => {
            return wrong(
                "a date where an address should be: the spreadsheet took it for one",
                "format the column as text and write the address anew, such as 10.70.5.10",
            );
        }
        _ => {}
    }
    let written = text(cell)?;
    if says_none(&written) {
        return Ok("none".to_owned());
    }
    let parts: Vec<&str> =
        written.split([';', '\n']).map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.len() > 1 || written.matches('.').count() >= 6 && !written.contains("://") {
        return wrong("more than one address in a cell", "give every device a column of its own");
    }
    if written.contains("://") {
        return wrong(
            "a web address",
            "write the address alone; port and path belong to the check",
        );
    }
    let squeezed: String = written.chars().filter(|c| !c.is_whitespace()).collect();
    let (host, prefix) = match squeezed.split_once('/') {
        Some((host, prefix)) => (host, Some(prefix)),
        None => (squeezed.as_str(), None),
    };
    let dotted = host.replace(',', ".");
    let dotted = dotted.trim_end_matches('.');
    let Ok(ip) = dotted.parse::<IpAddr>() else {
        return not_an_address(&written, dotted);
    };
    if let Some(prefix) = prefix {
        let Some(length) = prefix.parse::<u8>().ok().filter(|length| *length <= 128) else {
            return wrong(format!("`/{prefix}` is no length of a network's prefix"), "");
        };
        if let IpAddr::V4(ip) = ip
            && length < 31
            && is_edge(ip, length)
        {
            return wrong(
                format!("`{ip}/{length}` is a network and not the address of a device in it"),
                "",
            );
        }
    }
    let ip = ip.to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    if ip.is_unspecified() || ip.is_multicast() || ip.is_loopback() || broadcast {
        return wrong(format!("`{ip}` is not the address of a device on the network"), "");
    }
    Ok(ip.to_string())
}

/// Whether an address is the first or the last of its network.
fn is_edge(ip: Ipv4Addr, length: u8) -> bool {
    let mask = u32::MAX.checked_shr(length.into()).unwrap_or(0);
    let host = ip.to_bits() & mask;
    host == 0 || host == mask
}

fn not_an_address(written: &str, dotted: &str) -> Result<String, Wrong> {
    let reason = format!("`{written}` is neither an address nor a host name");
    if dotted.parse::<std::net::SocketAddr>().is_ok() {
        return wrong(reason, "write the address alone; the port belongs to the check");
    }
    let likely = dotted.replace(['O', 'o'], "0").replace(['l', 'I'], "1");
    if likely.parse::<IpAddr>().is_ok() {
        return wrong(reason, &format!("letters instead of digits? Did you mean `{likely}`?"));
    }
    let groups: Vec<&str> = dotted.split('.').collect();
    if groups.iter().all(|group| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit())) {
        let numbers: Vec<u32> = groups.iter().filter_map(|group| group.parse().ok()).collect();
        if groups.len() != 4 {
            return wrong(
                reason,
                &format!("an address has 4 groups of digits, not {}", groups.len()),
            );
        }
        if let Some(large) = numbers.iter().find(|number| **number > 255) {
            return wrong(reason, &format!("{large} is more than 255"));
        }
        let plain: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        return wrong(reason, &format!("without leading zeros: `{}`?", plain.join(".")));
    }
    // A name has a dot in it: a word alone is a remark.
    if is_host_name(written) && written.contains('.') {
        return Ok(written.to_ascii_lowercase());
    }
    wrong(reason, "")
}

/// A phone number, or several with `/` between them, as it is written; with its leading zero where
/// the spreadsheet took the number for a figure.
pub(super) fn phone(cell: &Cell) -> Result<String, Wrong> {
    let written = match cell {
        Cell::Number(number) if number.fract() != 0.0 || *number < 0.0 => {
            return wrong(format!("`{}` is no phone number", cell.shown()), "");
        }
        Cell::Date(_) => return wrong("a date where a phone number should be", ""),
        cell => text(cell)?,
    };
    let shortened = written.to_ascii_uppercase().contains("E+");
    if shortened || written.starts_with("##") {
        return wrong(
            "the spreadsheet shortened this number: its digits are lost",
            "format the column as text and write the number anew",
        );
    }
    let parts: Vec<&str> = written.split(['/', ';', ',']).map(str::trim).collect();
    let mut numbers = Vec::new();
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        numbers.push(phone_number(part, matches!(cell, Cell::Number(_)))?);
    }
    let phones = numbers.join(" / ");
    if phones.len() > 40 {
        return wrong("too many phone numbers", "two at most");
    }
    Ok(phones)
}

fn phone_number(written: &str, is_figure: bool) -> Result<String, Wrong> {
    let digits: String = written.chars().filter(char::is_ascii_digit).collect();
    let reason = || format!("`{written}` is no phone number");
    if let Some(strange) = written.chars().find(|c| !(c.is_ascii_digit() || " +-.()".contains(*c)))
    {
        let hint = match strange {
            'O' | 'o' => "a letter O instead of the digit 0?".to_owned(),
            strange => format!("it holds `{strange}`; names belong into another column"),
        };
        return wrong(reason(), &hint);
    }
    // Vietnam: 0 and nine or ten digits; 1800 and 1900 numbers and emergency numbers are shorter.
    let national = digits.strip_prefix("84").filter(|rest| {
        (9..=10).contains(&rest.len()) && !rest.starts_with('0') && digits.len() > 10
    });
    if digits.starts_with('0') || written.starts_with('+') || national.is_some() {
        let subscriber = national.map_or(digits.len().saturating_sub(1), str::len);
        if digits.starts_with("00") || written.starts_with('+') && national.is_none() {
            return if (8..=15).contains(&digits.len()) {
                Ok(written.to_owned())
            } else {
                wrong(reason(), "a number abroad has 8 to 15 digits")
            };
        }
        if !(9..=10).contains(&subscriber) {
            let what = format!("{} digits; a number in Vietnam has 10 or 11", digits.len());
            return wrong(reason(), &what);
        }
        return Ok(if is_figure { format!("+{digits}") } else { written.to_owned() });
    }
    let service = digits.starts_with("1800") || digits.starts_with("1900");
    if service && (8..=10).contains(&digits.len()) || digits.len() == 3 && digits.starts_with('1') {
        return Ok(written.to_owned());
    }
    // Nine digits of a mobile or ten of a fixed line, without the 0 in front.
    let mobile = digits.len() == 9 && digits.starts_with(['3', '5', '7', '8', '9']);
    let fixed = digits.len() == 10 && digits.starts_with('2');
    if mobile || fixed {
        return Ok(grouped(&format!("0{digits}")));
    }
    let what =
        format!("{} digits; a number in Vietnam begins with 0 and has 10 or 11", digits.len());
    wrong(reason(), &what)
}

/// A phone number in groups that can be read out.
fn grouped(digits: &str) -> String {
    let first = digits.len() - 6;
    format!("{} {} {}", &digits[..first], &digits[first..first + 3], &digits[first + 3..])
}

/// What makes two ways of writing a phone number the same.
pub(super) fn same_phone(a: &str, b: &str) -> bool {
    let bare = |phones: &str| -> Vec<String> {
        let digits = |part: &str| part.chars().filter(char::is_ascii_digit).collect::<String>();
        phones
            .split('/')
            .map(digits)
            .map(|digits| match digits.strip_prefix("84").filter(|rest| rest.len() >= 9) {
                Some(rest) => format!("0{rest}"),
                None => digits,
            })
            .collect()
    };
    bare(a) == bare(b)
}

/// A mail address.
pub(super) fn email(cell: &Cell) -> Result<String, Wrong> {
    let written = text(cell)?;
    let good = written
        .split_once('@')
        .is_some_and(|(user, host)| !user.is_empty() && is_host_name(host) && host.contains('.'))
        && !written.contains(char::is_whitespace);
    if good { Ok(written) } else { wrong(format!("`{written}` is no mail address"), "") }
}

/// How many delegates sit somewhere.
pub(super) fn delegates(cell: &Cell) -> Result<u32, Wrong> {
    const MOST: f64 = 100_000.0;
    let number = match cell {
        Cell::Number(number) => Some(*number),
        cell => {
            let written = text(cell)?;
            let figure: String = written.split(' ').next().unwrap_or_default().to_owned();
            let rest = written[figure.len()..].trim().to_lowercase();
            let groups: Vec<&str> = figure.split(['.', ',']).collect();
            let thousands = groups.len() > 1
                && groups[0].len() <= 3
                && groups[1..].iter().all(|group| group.len() == 3);
            let figure = if thousands { groups.concat() } else { figure };
            let unit = ["", "người", "đại biểu", "đb", "ng", "delegates", "people"];
            let plain = figure.bytes().all(|b| b.is_ascii_digit()) && !figure.is_empty();
            figure.parse::<f64>().ok().filter(|_| plain && unit.contains(&rest.as_str()))
        }
    };
    let whole = number.filter(|number| number.fract() == 0.0 && (0.0..=MOST).contains(number));
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number from 0 to 100000"
    )]
    match whole {
        Some(number) => Ok(number as u32),
        None => wrong(
            format!("`{}` is no number of delegates", cell.shown()),
            "a whole number from 0 to 100000",
        ),
    }
}

/// Whether somebody takes part.
pub(super) fn takes_part(cell: &Cell) -> Result<bool, Wrong> {
    if let Cell::Flag(flag) = cell {
        return Ok(*flag);
    }
    let written = text(cell)?;
    match written.to_lowercase().as_str() {
        "x" | "có" | "co" | "yes" | "y" | "1" | "✓" | "✔" | "v" | "tham gia" | "tham dự" => {
            Ok(true)
        }
        "không" | "khong" | "no" | "n" | "0" | "vắng" | "-" | "không tham gia" => Ok(false),
        _ => wrong(format!("`{written}` is neither yes nor no"), "write `x` or leave it empty"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str) -> Cell {
        Cell::text(text).unwrap()
    }

    #[test]
    fn an_address_is_taken_however_it_is_written() {
        for (written, meant) in [
            ("10.1.2.3", "10.1.2.3"),
            (" 10. 1 .2.3 ", "10.1.2.3"),
            ("10.1.2.3/24", "10.1.2.3"),
            ("10,1,2,3", "10.1.2.3"),
            ("10.1.2.3.", "10.1.2.3"),
            ("\u{200b}10.1.2.3\u{a0}", "10.1.2.3"),
            ("2001:db8::7", "2001:db8::7"),
            ("Codec.Tan-Lap.example", "codec.tan-lap.example"),
            ("Không có", "none"),
        ] {
            assert_eq!(address(&cell(written)).as_deref(), Ok(meant), "{written}");
        }
    }

    #[test]
    fn what_is_no_address_is_told_with_what_to_do() {
        for (written, why) in [
            ("10.1.2", "4 groups"),
            ("10.1.2.300", "300 is more than 255"),
            ("010.001.002.003", "without leading zeros: `10.1.2.3`"),
            ("1O.1.2.3", "letters instead of digits"),
            ("10.1.2.3:5060", "port"),
            ("http://10.1.2.3/", "path"),
            ("10.1.2.3; 10.1.2.4", "column of its own"),
            ("10.1.2.0/24", "network"),
            ("0.0.0.0", "not the address of a device"),
            ("chưa có", "neither"),
            ("hỏi anh Nam", "neither"),
        ] {
            let (reason, hint) = address(&cell(written)).unwrap_err();
            let told = format!("{reason} {}", hint.unwrap_or_default());
            assert!(told.contains(why), "{written}: {told}");
        }
    }

    #[test]
    fn a_phone_number_that_lost_its_zero_gets_it_back() {
        assert_eq!(phone(&Cell::Number(912_345_678.0)).as_deref(), Ok("0912 345 678"));
        assert_eq!(phone(&Cell::Number(2_093_870_123.0)).as_deref(), Ok("02093 870 123"));
        assert_eq!(phone(&cell("912345678")).as_deref(), Ok("0912 345 678"));
        assert_eq!(phone(&Cell::Number(84_912_345_678.0)).as_deref(), Ok("+84912345678"));
        assert_eq!(phone(&cell("0912.345.678")).as_deref(), Ok("0912.345.678"));
        assert_eq!(phone(&cell("0912345678/0987654321")).as_deref(), Ok("0912345678 / 0987654321"));
        assert!(same_phone("+84 912 345 678", "0912.345.678"));
        for bad in ["0912 34", "09123456789012", "9,12346E+08", "O912345678", "anh Nam", "######"] {
            assert!(phone(&cell(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn delegates_are_counted_as_people_write_figures() {
        assert_eq!(delegates(&Cell::Number(45.0)), Ok(45));
        assert_eq!(delegates(&cell("45 người")), Ok(45));
        assert_eq!(delegates(&cell("1.200")), Ok(1200));
        for bad in ["45.5", "-3", "nhiều", "45 và 3", "1000000"] {
            assert!(delegates(&cell(bad)).is_err(), "{bad}");
        }
    }
}
